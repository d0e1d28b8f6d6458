"""Parse the table at the top of an import's summary."""


def counts(summary: str) -> dict[str, dict[str, int]]:
    lines = [line.split() for line in summary.split("\n\n")[0].splitlines()]
    names = lines[0][1:]
    return {
        line[0]: dict(zip(names, (int(cell.replace(",", "")) for cell in line[1:]), strict=True))
        for line in lines[1:]
    }
