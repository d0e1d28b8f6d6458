"""English and Vietnamese words for the content of scenes; the first form is canonical."""

from __future__ import annotations

Forms = tuple[str, ...]

KIND_EN: dict[str, tuple[tuple[str, str], ...]] = {
    "horse": (("horse", "horses"), ("pony", "ponies")),
    "tree": (("tree", "trees"),),
    "cat": (("cat", "cats"), ("kitten", "kittens"), ("kitty", "kitties")),
    "dog": (("dog", "dogs"), ("puppy", "puppies")),
    "flower": (("flower", "flowers"), ("blossom", "blossoms")),
    "bird": (("bird", "birds"),),
    "butterfly": (("butterfly", "butterflies"),),
    "fish": (("fish", "fish"), ("leaping fish", "leaping fish")),
    "apple": (("apple", "apples"),),
    "banana": (("banana", "bananas"),),
    "cake": (("cake", "cakes"), ("birthday cake", "birthday cakes")),
    "pizza": (("pizza", "pizzas"), ("slice of pizza", "slices of pizza")),
    "ice cream": (("ice cream", "ice creams"), ("ice cream cone", "ice cream cones")),
    "bicycle": (("bicycle", "bicycles"), ("bike", "bikes")),
    "ball": (("ball", "balls"), ("beach ball", "beach balls")),
    "kite": (("kite", "kites"),),
    "rocket": (("rocket", "rockets"), ("spaceship", "spaceships")),
    "robot": (("robot", "robots"),),
    "laptop": (("laptop", "laptops"), ("computer", "computers")),
    "house": (("house", "houses"), ("cottage", "cottages"), ("home", "homes")),
    "castle": (("castle", "castles"), ("fortress", "fortresses")),
    "lighthouse": (("lighthouse", "lighthouses"),),
    "car": (("car", "cars"), ("automobile", "automobiles")),
    "bus": (("bus", "buses"),),
    "tent": (("tent", "tents"), ("camping tent", "camping tents")),
    "plane": (("plane", "planes"), ("airplane", "airplanes"), ("aeroplane", "aeroplanes")),
    "balloon": (("hot-air balloon", "hot-air balloons"), ("balloon", "balloons")),
    "boat": (
        ("boat", "boats"),
        ("sailing boat", "sailing boats"),
        ("ship", "ships"),
        ("sailboat", "sailboats"),
    ),
    "hat": (("hat", "hats"),),
    "dress": (("dress", "dresses"), ("gown", "gowns")),
    "bag": (("bag", "bags"), ("handbag", "handbags")),
    "chair": (("chair", "chairs"),),
    "lamp": (("lamp", "lamps"), ("table lamp", "table lamps")),
    "cup": (("cup", "cups"), ("mug", "mugs"), ("cup of coffee", "cups of coffee")),
    "umbrella": (("umbrella", "umbrellas"), ("parasol", "parasols")),
    "book": (("book", "books"),),
    "guitar": (("guitar", "guitars"),),
    "painting": (("painting", "paintings"), ("artwork", "artworks"), ("canvas", "canvases")),
    "vase": (("vase", "vases"),),
    "camera": (("camera", "cameras"),),
}

# A classifier and a noun each: "một con mèo", "hai chiếc thuyền".
KIND_VI: dict[str, tuple[tuple[str, str], ...]] = {
    "horse": (("con", "ngựa"), ("chú", "ngựa")),
    "tree": (("cái", "cây"), ("", "cây xanh"), ("", "cây cối")),
    "cat": (("con", "mèo"), ("chú", "mèo")),
    "dog": (("con", "chó"), ("chú", "chó"), ("chú", "cún")),
    "flower": (("bông", "hoa"), ("đóa", "hoa"), ("", "hoa")),
    "bird": (("con", "chim"), ("chú", "chim")),
    "butterfly": (("con", "bướm"), ("chú", "bướm")),
    "fish": (("con", "cá"), ("chú", "cá")),
    "apple": (("quả", "táo"), ("trái", "táo")),
    "banana": (("quả", "chuối"), ("nải", "chuối"), ("trái", "chuối")),
    "cake": (("cái", "bánh kem"), ("chiếc", "bánh sinh nhật"), ("chiếc", "bánh ngọt")),
    "pizza": (("miếng", "bánh pizza"), ("miếng", "pizza")),
    "ice cream": (("cây", "kem"), ("que", "kem"), ("ly", "kem")),
    "bicycle": (("chiếc", "xe đạp"), ("cái", "xe đạp")),
    "ball": (("quả", "bóng"), ("trái", "banh")),
    "kite": (("con", "diều"), ("cánh", "diều")),
    "rocket": (("chiếc", "tên lửa"), ("", "tên lửa"), ("chiếc", "phi thuyền")),
    "robot": (("con", "robot"), ("chú", "robot"), ("", "người máy")),
    "laptop": (("chiếc", "máy tính"), ("chiếc", "laptop"), ("cái", "máy tính xách tay")),
    "house": (("ngôi", "nhà"), ("căn", "nhà")),
    "castle": (("tòa", "lâu đài"), ("", "lâu đài")),
    "lighthouse": (("ngọn", "hải đăng"), ("", "hải đăng")),
    "car": (("chiếc", "ô tô"), ("chiếc", "xe hơi"), ("cái", "ô tô")),
    "bus": (("chiếc", "xe buýt"), ("chiếc", "xe bus")),
    "tent": (("cái", "lều"), ("chiếc", "lều"), ("", "lều trại")),
    "plane": (("chiếc", "máy bay"), ("cái", "máy bay")),
    "balloon": (("", "khinh khí cầu"), ("chiếc", "khinh khí cầu")),
    "boat": (("chiếc", "thuyền"), ("con", "thuyền"), ("chiếc", "tàu"), ("chiếc", "thuyền buồm")),
    "hat": (("chiếc", "mũ"), ("cái", "nón"), ("cái", "mũ")),
    "dress": (("chiếc", "váy"), ("chiếc", "đầm"), ("cái", "váy")),
    "bag": (("chiếc", "túi"), ("cái", "túi xách"), ("cái", "giỏ xách")),
    "chair": (("cái", "ghế"), ("chiếc", "ghế")),
    "lamp": (("cái", "đèn"), ("chiếc", "đèn bàn"), ("cây", "đèn")),
    "cup": (("cái", "cốc"), ("cái", "tách"), ("chiếc", "ly"), ("tách", "cà phê")),
    "umbrella": (("chiếc", "ô"), ("cái", "dù"), ("cây", "dù")),
    "book": (("quyển", "sách"), ("cuốn", "sách")),
    "guitar": (("cây", "đàn ghi ta"), ("cây", "guitar"), ("chiếc", "đàn guitar")),
    "painting": (("bức", "tranh"), ("bức", "tranh vẽ")),
    "vase": (("cái", "bình"), ("chiếc", "bình hoa"), ("cái", "lọ hoa")),
    "camera": (("chiếc", "máy ảnh"), ("cái", "máy ảnh"), ("", "máy chụp hình")),
}

COLOUR_EN: dict[str, Forms] = {
    "red": ("red",),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "black": ("black",),
    "white": ("white",),
    "grey": ("grey", "gray"),
}
COLOUR_VI: dict[str, Forms] = {
    "red": ("đỏ",),
    "orange": ("cam",),
    "yellow": ("vàng",),
    "green": ("xanh lá", "xanh lá cây", "xanh lục"),
    "blue": ("xanh dương", "xanh lam", "xanh nước biển"),
    "purple": ("tím",),
    "pink": ("hồng",),
    "brown": ("nâu",),
    "black": ("đen",),
    "white": ("trắng",),
    "grey": ("xám",),
}

SIZE_EN: dict[str, Forms] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized",),
    "large": ("large", "big", "huge"),
}
SIZE_VI: dict[str, Forms] = {
    "small": ("nhỏ", "bé", "nhỏ xíu"),
    "medium": ("cỡ vừa",),
    "large": ("lớn", "to", "khổng lồ"),
}

NUMBER_EN = ("zero", "one", "two", "three", "four")
NUMBER_VI = ("không", "một", "hai", "ba", "bốn")

# A noun phrase ("a beach") and a location ("on a beach").
PLACE_EN: dict[str, tuple[tuple[str, str], ...]] = {
    "beach": (
        ("a beach", "on a beach"),
        ("the seaside", "at the seaside"),
        ("the sea", "by the sea"),
        ("a sandy beach", "on the sand"),
    ),
    "forest": (("a forest", "in a forest"), ("the woods", "in the woods")),
    "city": (
        ("a city", "in a city"),
        ("a city street", "on a city street"),
        ("a town", "in a town"),
        ("an urban skyline", "before a skyline"),
    ),
    "mountains": (("the mountains", "in the mountains"), ("a mountain view", "near mountains")),
    "desert": (("a desert", "in a desert"), ("sand dunes", "among sand dunes")),
    "meadow": (
        ("a meadow", "in a meadow"),
        ("a green park", "in a park"),
        ("green hills", "on the grass"),
    ),
    "lake": (("a lake", "by a lake"), ("a lakeside", "at the lakeside")),
    "snowfield": (
        ("a snowfield", "on a snowfield"),
        ("a snowy field", "in a snowy field"),
        ("a winter landscape", "in a winter landscape"),
    ),
    "farm": (
        ("a farm", "on a farm"),
        ("the countryside", "in the countryside"),
        ("a farm field", "in a farm field"),
    ),
    "living room": (
        ("a living room", "in a living room"),
        ("a room", "indoors"),
        ("a home", "at home"),
    ),
}
PLACE_VI: dict[str, tuple[tuple[str, str], ...]] = {
    "beach": (("bãi biển", "trên bãi biển"), ("bờ biển", "bên bờ biển"), ("biển", "ở biển")),
    "forest": (("khu rừng", "trong rừng"), ("rừng cây", "trong khu rừng")),
    "city": (
        ("thành phố", "trong thành phố"),
        ("phố", "trên phố"),
        ("đường phố", "trên đường phố"),
    ),
    "mountains": (("vùng núi", "trên núi"), ("núi", "ở vùng núi"), ("núi non", "giữa núi non")),
    "desert": (("sa mạc", "trên sa mạc"), ("hoang mạc", "giữa hoang mạc")),
    "meadow": (
        ("đồng cỏ", "trên đồng cỏ"),
        ("công viên", "trong công viên"),
        ("bãi cỏ", "trên bãi cỏ"),
    ),
    "lake": (("hồ nước", "bên hồ"), ("hồ", "bên hồ nước"), ("bờ hồ", "bên bờ hồ")),
    "snowfield": (
        ("cánh đồng tuyết", "trên cánh đồng tuyết"),
        ("đồng tuyết", "trên đồng tuyết"),
        ("cảnh mùa đông", "giữa mùa đông"),
    ),
    "farm": (
        ("nông trại", "ở nông trại"),
        ("trang trại", "trên trang trại"),
        ("miền quê", "ở miền quê"),
    ),
    "living room": (("phòng khách", "trong phòng khách"), ("căn phòng", "trong nhà")),
}

TIME_EN: dict[str, Forms] = {
    "dawn": ("at dawn", "at sunrise", "early in the morning"),
    "day": ("during the day", "by day", "in the daytime", "at midday"),
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "after dark", "in the night"),
}
TIME_VI: dict[str, Forms] = {
    "dawn": ("lúc bình minh", "vào sáng sớm", "lúc rạng đông"),
    "day": ("vào ban ngày", "giữa ban ngày", "buổi trưa"),
    "sunset": ("lúc hoàng hôn", "vào buổi chiều tà", "lúc chạng vạng"),
    "night": ("vào ban đêm", "trong đêm", "lúc nửa đêm"),
}
TIME_NOUN_EN = {"dawn": "sunrise", "day": "daytime", "sunset": "sunset", "night": "night"}
TIME_NOUN_VI = {"dawn": "bình minh", "day": "ban ngày", "sunset": "hoàng hôn", "night": "ban đêm"}

WEATHER_EN: dict[str, Forms] = {
    "clear": ("under a clear sky", "in clear weather", "in fine weather"),
    "cloudy": ("under a cloudy sky", "in cloudy weather", "under the clouds"),
    "rain": ("in the rain", "in rainy weather", "while it rains"),
    "snow": ("in falling snow", "while it snows", "in a snowfall"),
    "fog": ("in the fog", "in foggy weather", "in the mist"),
}
WEATHER_VI: dict[str, Forms] = {
    "clear": ("trời quang", "trời trong xanh", "trời đẹp"),
    "cloudy": ("trời nhiều mây", "trời âm u", "dưới trời mây"),
    "rain": ("trong mưa", "trời mưa", "dưới cơn mưa"),
    "snow": ("tuyết rơi", "trời đổ tuyết", "trong tuyết rơi"),
    "fog": ("trong sương mù", "trời sương mù", "trong sương"),
}
WEATHER_NOUN_EN = {
    "clear": "clear sky",
    "cloudy": "clouds",
    "rain": "rain",
    "snow": "snowfall",
    "fog": "fog",
}
WEATHER_NOUN_VI = {
    "clear": "trời quang",
    "cloudy": "mây",
    "rain": "mưa",
    "snow": "tuyết rơi",
    "fog": "sương mù",
}

CATEGORY_EN: dict[str, Forms] = {
    "art": ("art", "music and art"),
    "technology": ("technology", "gadgets"),
    "fashion": ("fashion", "clothes"),
    "photography": ("photography", "photo equipment"),
    "travel": ("travel", "vehicles", "transport"),
    "food": ("food", "something to eat"),
    "lifestyle": ("lifestyle", "household things"),
    "architecture": ("architecture", "buildings"),
    "nature": ("nature", "plants and animals"),
    "sports": ("sports", "sport", "games"),
}
CATEGORY_VI: dict[str, Forms] = {
    "art": ("nghệ thuật",),
    "technology": ("công nghệ",),
    "fashion": ("thời trang", "quần áo"),
    "photography": ("nhiếp ảnh",),
    "travel": ("du lịch", "phương tiện", "xe cộ"),
    "food": ("ẩm thực", "đồ ăn", "món ăn"),
    "lifestyle": ("phong cách sống", "đồ gia dụng"),
    "architecture": ("kiến trúc", "công trình"),
    "nature": ("thiên nhiên", "động vật"),
    "sports": ("thể thao",),
}
