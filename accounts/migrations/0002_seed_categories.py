from django.db import migrations

CATEGORIES = [
    ("Nghệ thuật", "art", "Hội họa, điêu khắc, nghệ thuật đương đại", "art"),
    ("Công nghệ", "technology", "Công nghệ, lập trình, AI, khoa học", "technology"),
    ("Thời trang", "fashion", "Thời trang, phong cách, xu hướng", "fashion"),
    ("Nhiếp ảnh", "photography", "Nhiếp ảnh, chụp ảnh, kỹ thuật ảnh", "photography"),
    ("Du lịch", "travel", "Du lịch, khám phá, địa điểm", "travel"),
    ("Ẩm thực", "food", "Ẩm thực, nấu ăn, món ngon", "food"),
    ("Đời sống", "lifestyle", "Cuộc sống, sức khỏe, phong cách sống", "lifestyle"),
    ("Kiến trúc", "architecture", "Kiến trúc, thiết kế nội thất", "architecture"),
    ("Thiên nhiên", "nature", "Thiên nhiên, động vật, cảnh quan", "nature"),
    ("Thể thao", "sports", "Thể thao, fitness, hoạt động ngoài trời", "sports"),
]


def seed(apps, schema_editor):
    category = apps.get_model("accounts", "Category")
    category.objects.bulk_create(
        category(name=name, slug=slug, description=description, prompt=prompt)
        for name, slug, description, prompt in CATEGORIES
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
