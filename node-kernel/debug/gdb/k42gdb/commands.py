"""The commands: `k42`, and convenience functions to go on from in expressions."""
import inspect
import re

import gdb

from . import chains, kernel, objects, threads, unwinder

HELP = """Looks at a K42 kernel. CPU N is GDB's thread N + 1.
  k42 cpus               what every CPU does
  k42 threads [CPU]      every kernel thread; of those that are blocked, with their call chains
  k42 thread ID          GDB's frames are that thread's (bt, frame N, info locals); `k42 thread off` ends it
  k42 objects [PATTERN]  the object table: root, reps by CPU; only classes that match
  k42 percpu N           what CPU N has of its own
  k42 gens               generations of each CPU, and the threads that hold them; the grace token
In expressions: $k42_area(CPU)  $k42_state(CPU)  $k42_thread(ID)  $k42_root(REF)  $k42_rep(REF, CPU)"""


class _Selected:
    """The selected thread and frame are what they were afterwards."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.frame = gdb.selected_frame()
        except gdb.error:
            self.frame = None
        return self

    def __exit__(self, *_):
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
        if self.frame is not None and self.frame.is_valid():
            self.frame.select()


class Command(gdb.Command):
    def __init__(self, name, run):
        self.__doc__ = run.__doc__
        super().__init__(name, gdb.COMMAND_DATA, gdb.COMPLETE_NONE)
        self.run = run

    def invoke(self, argument, from_tty):
        del from_tty
        self.dont_repeat()
        words = gdb.string_to_argv(argument)
        try:
            inspect.signature(self.run).bind(*words)
        except TypeError:
            raise gdb.GdbError(self.__doc__) from None
        try:
            self.run(*words)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"the structures are broken here, or not in the core: {error}") from error


class Prefix(gdb.Command):
    __doc__ = HELP

    def __init__(self):
        super().__init__("k42", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, argument, from_tty):
        del from_tty
        if argument:
            raise gdb.GdbError(f"no command `k42 {argument}`; `help k42` lists them")
        print(HELP)


def number(text, what):
    try:
        return int(text, 0)
    except ValueError:
        raise gdb.GdbError(f"'{text}' is no {what}") from None


# -- CPUs and threads ------------------------------------------------------------------------------
def _frames_of(cpu, most):
    """GDB's frames of a CPU: names, innermost first."""
    thread = kernel.cpu_thread(cpu)
    if thread is None:
        return []
    thread.switch()
    names = []
    frame = gdb.newest_frame()
    while frame is not None and len(names) < most:
        name = frame.name() or "?"
        if not name.startswith("std::"):
            names.append(chains.without_arguments(name))
        try:
            frame = frame.older()
        except gdb.error:
            break
    return names


def _doing(cpu):
    thread = kernel.cpu_thread(cpu)
    if thread is None:
        return "has no registers here"
    thread.switch()
    frame = gdb.newest_frame()
    pc, flags = int(frame.read_register("rip")), int(frame.read_register("eflags"))
    if int(frame.read_register("cs")) & 3:
        return "runs user code"
    if kernel.read(pc - 1, 1) == b"\xf4":
        return "halts"
    return "runs" if flags & 0x200 else "runs with interrupts off"


def cpus():
    """What every CPU does: k42 cpus"""
    with _Selected():
        for cpu in range(kernel.cpu_count()):
            area = kernel.area(cpu)
            current = area["current"]
            doing = _doing(cpu)
            name = current["name_"].string(errors="replace") if int(current) else "(none)"
            thread = int(current["id_"]) if int(current) else 0
            print(f"  cpu {cpu:2} {doing}, thread {name} ({thread}), {int(area['spin_locks_held'])} spin locks, "
                  f"{int(area['interrupts'])} interrupts")
            if doing != "halts":
                print("         " + " < ".join(_frames_of(cpu, 8)))


def list_threads(cpu=None):
    """Every kernel thread, or a CPU's: k42 threads [CPU]"""
    wanted = kernel.check_cpu(number(cpu, "CPU")) if cpu is not None else None
    count = 0
    with _Selected():
        for one in threads.all_threads():
            if wanted not in (None, one.cpu):
                continue
            count += 1
            print(one.describe())
            for method, policy in threads.inside(one):
                print(f"        inside {kernel.short(kernel.class_of(policy) or '?')} at {policy:#x}, method {method}")
            if one.state == "runs":
                print("      " + " < ".join(_frames_of(one.cpu, 12)))
            elif one.state in ("blocked", "ready"):
                chains.show(chains.interesting(one.chain()))
    print(f"  {count} threads")


def show_thread(which):
    """A thread's frames become GDB's: k42 thread ID; k42 thread off"""
    unwinder.THREAD.forget()
    if which == "off":
        return
    one = threads.find(number(which, "thread's number"))
    cpu = kernel.cpu_thread(one.cpu)
    if cpu is None:
        raise gdb.GdbError(f"CPU {one.cpu} has no registers here")
    cpu.switch()
    gdb.newest_frame().select()
    print(one.describe())
    if one.state == "runs":
        gdb.execute("bt")
        return
    saved = one.registers()
    if not saved:
        raise gdb.GdbError("its stack cannot be read")
    unwinder.THREAD.show(saved)
    print(f"frame 0 is CPU {one.cpu}'s own; the thread's begin behind it")
    gdb.execute("bt")


# -- objects ---------------------------------------------------------------------------------------
def list_objects(pattern=""):
    """The object table: k42 objects [PATTERN]"""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise gdb.GdbError(f"'{pattern}' is no pattern: {error}") from None
    filled = dict.fromkeys(range(kernel.cpu_count()), 0)
    living = shown = 0
    names = {}  # by vtable: the same few classes again and again

    def name_of(address):
        table = kernel.word(address)
        if table not in names:
            names[table] = kernel.short(kernel.class_of(address) or "?")
        return names[table]

    for one in objects.all_objects():
        living += 1
        for cpu in one.reps:
            filled[cpu] += 1
        root = name_of(one.root)
        reps = [(cpus_, rep, name_of(rep)) for cpus_, rep in objects.by_rep(one.reps)]
        if not any(wanted.search(name) for name in (root, *(rep[2] for rep in reps))):
            continue
        shown += 1
        print(f"  {one.bits:#x} root {one.root:#x} {root}")
        for cpus_, rep, name in reps:
            print(f"    cpu {objects.cpu_list(cpus_)}: {rep:#x} {name}")
    print(f"  {living} objects, {shown} shown; slots filled by CPU: {' '.join(str(n) for n in filled.values())}")


def _active(cpu):
    """(generation, thread) of the CPU's active threads, newest first."""
    context = objects.system()["grace_"]["cpus_"][cpu]["first_active"]
    found = []
    while int(context) and len(found) < 1000 and kernel.read(int(context), 8):
        found.append((int(context["generation"]), threads.of_context(context)))
        context = context["next_active"]
    return found


def _generation(cpu):
    state = objects.system()["grace_"]["cpus_"][cpu]
    number_ = int(kernel.plain(state["generations"]["number_"]))
    needed = int(state["needed"])
    print(f"  cpu {cpu:2} generation {number_}, needed {needed}{', has the token' if bool(state['token_here']) else ''}")
    for held, thread in _active(cpu):
        late = held < number_ < needed
        print(f"         {held} is held by {thread['name_'].string(errors='replace')} ({int(thread['id_'])})"
              f"{', which holds it up' if late else ''}")


def generations():
    """Generations and the grace token: k42 gens"""
    for cpu in range(kernel.cpu_count()):
        _generation(cpu)
    print(f"  {int(kernel.plain(objects.system()['grace_']['token_moves_']))} moves of the grace token so far")


def per_cpu(cpu):
    """What a CPU has of its own: k42 percpu N"""
    cpu = kernel.check_cpu(number(cpu, "CPU"))
    area, state = kernel.area(cpu), kernel.state(cpu)
    print(f"area of CPU {cpu} at {int(area.address):#x}: {area.format_string(max_depth=2)}")
    for title, first in (("ready", "ready_first"), ("parked", "idle_pool"), ("gone, their stacks kept", "dead")):
        found = threads.listed(state[first])
        names = [kernel.pointer(one, "k42::machine::Thread") for one in found]
        print(f"  {title}: " + (", ".join(f"{one['name_'].string()} ({int(one['id_'])})" for one in names) or "nobody"))
    waiting = int(kernel.plain(state["messages"]["head_"])) or int(state["batch"])
    print(f"  messages: {'some wait' if waiting else 'none wait'}")
    slots = sum(cpu in one.reps for one in objects.all_objects())
    print(f"  {slots} slots of its object table are filled")
    _generation(cpu)


# -- in expressions --------------------------------------------------------------------------------
def bits_of(ref):
    """A Ref<>'s, or a number."""
    if ref.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_REF):
        return int(ref["bits_"])
    return int(ref)


class Function(gdb.Function):
    def __init__(self, name, run, text):
        self.__doc__ = text
        super().__init__(name)
        self.invoke = run


def _root(ref):
    root = objects.root_of(bits_of(ref))
    if not root:
        raise gdb.GdbError("there is no such object")
    whole = kernel.as_object(root)
    return whole.address if whole is not None else kernel.pointer(root, "k42::cobj::Root")


def _rep(ref, cpu):
    rep = objects.slot(bits_of(ref), kernel.check_cpu(int(cpu)))
    if rep is None:
        raise gdb.GdbError("that CPU's slot is empty: its next call asks the root")
    whole = kernel.as_object(rep)
    return whole.address if whole is not None else gdb.Value(rep)


def register():
    Prefix()
    for name, run in (("cpus", cpus), ("threads", list_threads), ("thread", show_thread),
                      ("objects", list_objects), ("percpu", per_cpu), ("gens", generations)):
        Command(f"k42 {name}", run)
    Function("k42_area", lambda cpu: kernel.area(kernel.check_cpu(int(cpu))).address, "A CPU's CpuArea.")
    Function("k42_state", lambda cpu: kernel.state(kernel.check_cpu(int(cpu))).address, "A CPU's CpuState.")
    Function("k42_thread", lambda number_: threads.find(int(number_)).value.address, "A kernel thread, by its number.")
    Function("k42_root", _root, "The root of the object that a Ref (or its bits) means.")
    Function("k42_rep", _rep, "That object's rep on a CPU.")
