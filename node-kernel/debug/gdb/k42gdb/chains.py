"""Call chains by frame pointers, of whoever does not run, and functions' names."""
import gdb

from . import kernel

DEEPEST = 40
# A thread that does not run stands in these: they say nothing about why.
GIVING_UP = ("k42::machine::Scheduler::", "k42::machine::Thread::")


def text_range():
    image = tuple(int(gdb.parse_and_eval(f"(unsigned long)&{name}")) for name in ("kernel_begin", "kernel_text_end"))
    return image, (kernel.layout("module_area_base"), kernel.layout("module_area_end"))


def walk(rip, rbp):
    """[(address, is_call)], innermost first; it ends where it leaves the kernel's code."""
    ranges = text_range()
    found = []
    is_call = False
    while rip and len(found) < DEEPEST and any(begin <= rip < end for begin, end in ranges):
        found.append((rip, is_call))
        is_call = True
        saved, rip = kernel.word(rbp), kernel.word(rbp + 8)
        if saved is None or (saved and saved <= rbp):  # a stack grows downwards
            if rip and saved is not None:
                found.append((rip, True))
            break
        rbp = saved
    return found


def functions(address, is_call):
    """Names at the address, innermost first: inlined ones, and the one they are in."""
    inside = address - 1 if is_call else address
    names = []
    try:
        block = gdb.block_for_pc(inside)
    except RuntimeError:
        block = None
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            names.append(block.function.print_name)
        block = block.superblock
    if not names:
        names.append(kernel.symbol_at(inside)[0] or "?")
    return names


def place(address, is_call):
    """` at file:line`, or nothing."""
    line = gdb.find_pc_line(address - 1 if is_call else address)
    return f" at {line.symtab.filename.rsplit('/', 1)[-1]}:{line.line}" if line.symtab else ""


def without_arguments(name):
    """The function's name; its parameters are in the source."""
    depth, cut = 0, len(name)
    for i, c in enumerate(name):
        if c == "(" and depth == 0 and not name.startswith("(anonymous namespace)", i) and \
                not name[:i].endswith("operator"):
            cut = i
            break
        depth += (c == "<") - (c == ">" and name[i - 1:i] != "-")
    return kernel.short(name[:cut])


def show(frames, indent="      "):
    for address, is_call in frames:
        names = functions(address, is_call)
        for name in names[:-1]:
            print(f"{indent}     (inlined)        {without_arguments(name)}")
        print(f"{indent}{'from' if is_call else 'at  '} {address:#018x} {without_arguments(names[-1])}"
              f"{place(address, is_call)}")


def interesting(frames):
    """Past the switch itself: who gave the CPU up."""
    def bare(frame):
        return functions(*frame)[-1].split("(")[0].startswith(GIVING_UP)
    for at, frame in enumerate(frames):
        if not bare(frame) and not (functions(*frame)[-1] == "SwitchStacks"):
            return frames[at:]
    return frames
