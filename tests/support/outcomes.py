"""The outcomes of one program here and there, each (status, output, ...), compared."""


def differences(want, got, most=8):
    """What is different, for people: at most so many lines. None: the same."""
    lines = [f"  status {want[0]} here, {got[0]} there"] if want[0] != got[0] else []
    ours, theirs = want[1].splitlines(), got[1].splitlines()
    for number in range(max(len(ours), len(theirs))):
        a = ours[number] if number < len(ours) else "(nothing)"
        b = theirs[number] if number < len(theirs) else "(nothing)"
        if a != b:
            lines.append(f"  line {number + 1}: {a!r} here, {b!r} there")
    return lines[:most]
