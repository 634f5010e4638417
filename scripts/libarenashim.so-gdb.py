"""GDB commands that show the shim's arenas, its open scopes and who owns a pointer.

GDB loads this file with libarenashim.so when it lies in GDB's auto-load directory; otherwise
`source` it. It reads memory and calls nothing in the process, so it works on core files, too. What
it knows about the shim it learns from the library's debug information.
"""

import os

import gdb

LIBRARY = "libarenashim.so"
LAYOUT = 2  # of what is named here; see src/thread/records.h
HEADER = 8
ALIGNMENT = 16

# In the header of a block that is dropped; see src/engine/header.h.
FREED = 1
FLAGS = 7

# In the header of a block that is retained; see src/engine/retain.h.
TAG_SHIFT = 58
TAG = 0x3F
REMOTE = 2
NOTED = 1 << 31  # in the serial number
BYTES = 0xFFF0
LARGE = 0xFFF0

PAGE = 4096  # see src/memory/pages.h
PAGES_FREE, PAGES_SHARED, PAGES_LARGE, PAGES_MOVED = 0, 1, 2, 3
RECORD = 192 << 10  # see src/memory/region.h
THREAD_POINTERS = ("$fs_base", "$tpidr")
NEAR = 1 << 20  # further from the thread pointer there is no thread-local variable


class Shim:
    """The library in the current process or core file."""

    def __init__(self):
        self.objfile = self._find_library()
        fixed = self.objfile.lookup_global_symbol("fixed_pages")
        hot = self.objfile.lookup_global_symbol("hot")
        if fixed is None or hot is None:
            raise gdb.GdbError(
                "%s has no debug information: build it with -g" % self.objfile.filename
            )
        records = self.objfile.lookup_global_symbol("arenashim_records")
        layout = 0 if records is None else int(records.value()["layout"])
        if layout != LAYOUT:
            raise gdb.GdbError(
                "the records of %s are of layout %d, and this script reads layout %d: "
                "source the one of that version" % (self.objfile.filename, layout, LAYOUT)
            )
        self.sites = records.value()["sites"]
        self.fixed = fixed.value()["values"]
        self.record_type = next(f.type for f in hot.type.fields() if f.name == "thread")
        region = self.fixed["region"]
        self.start = int(region["start"])
        self.size = int(region["size"])
        self.span = int(region["span"])
        self.slots_there = int(region["slots"])
        if self.size == 0:
            raise gdb.GdbError("the shim is idle: it has no arenas")

    @staticmethod
    def _find_library():
        for objfile in gdb.objfiles():
            if os.path.basename(objfile.filename or "").startswith(LIBRARY):
                return objfile
        raise gdb.GdbError("%s is not loaded in this program" % LIBRARY)

    def variable(self, name):
        """A static variable of the library."""
        symbol = self.objfile.lookup_static_symbol(name)
        if symbol is None:
            raise gdb.GdbError("%s has no debug information for %s" % (LIBRARY, name))
        return symbol.value()

    def slots(self):
        """The slots that a thread has had so far."""
        made = self.variable("made")
        claimed = self.variable("claimed")
        owners = thread_pointers()
        for number in range(int(self.variable("slots_seen"))):
            if int(made[number]) != 0:
                taken = int(claimed[number // 64]) >> number % 64 & 1
                yield Slot(self, number, taken != 0, owners)

    def site(self, record, frame):
        """Label and place of a scope, as the shim's own messages name them."""
        index = int(frame["stats"] - record["sites"][0].address)
        site = self.sites[index]
        label, file = (site[name].string() for name in ("label", "file"))
        return "'%s' (%s:%d)" % (label, file or "unknown file", int(site["line"]))


class Slot:
    """An arena and the record of the thread that has it."""

    def __init__(self, shim, number, taken, owners):
        address = gdb.Value(shim.start + number * RECORD)
        self.shim = shim
        self.number = number
        self.record = address.cast(shim.record_type).dereference()
        self.start = int(address)
        self.memory = int(self.record["memory"])
        self.committed = int(self.record["committed"])
        self.base = int(self.record["base"])
        self.taken = taken and int(self.record["words"]) != 0
        self.owner = owner_of(int(self.record["words"]), owners) if self.taken else "none"
        self.scopes = []
        self.cursor = self.base  # the top
        self.gap = None  # between live blocks: drawn from next, and without headers
        if self.taken:
            self._read_scopes()

    def _read_scopes(self):
        frames = [self.record["frames"][i] for i in range(int(self.record["depth"]))]
        if not frames:
            return
        cursor = int(self.record["words"]["cursor"])
        self.cursor = cursor
        if int(self.record["gap_top"]) != 0:
            self.cursor = int(self.record["gap_top"])
            self.gap = (cursor, int(self.record["open_limit"]))
        starts = [int(frame["start"]) for frame in frames]
        for frame, start, end in zip(frames, starts, starts[1:] + [self.cursor]):
            self.scopes.append(Scope(self, frame, start, end))

    def used(self):
        return self.cursor - self.base

    def peak(self):
        return max(int(self.record["high_water"]), self.used())

    def retained(self):
        return int(self.record["heap"]["pages"]["used"]) * PAGE


class Scope:
    """An open scope; [start, end) is what it has drawn itself."""

    def __init__(self, slot, frame, start, end):
        self.depth = len(slot.scopes) + 1
        self.start = start
        self.end = end
        self.paused = int(frame["pauses"]) > 0
        self.retains = bool(frame["retains"])
        self.serial = int(frame["token"]) >> 32
        self.place = slot.shim.site(slot.record, frame)

    def title(self):
        return "scope %d, %s" % (self.depth, self.place)

    def extent(self):
        if self.retains:
            return "retains"
        return "0x%x, %d bytes" % (self.start, self.end - self.start)


class Heap:
    """What the scopes of a thread that retain have drawn; see src/engine/retain.h, src/memory/pages.h."""

    def __init__(self, slot):
        self.slot = slot
        self.heap = slot.record["heap"]
        self.pages = self.heap["pages"]
        self.start = int(self.pages["start"])
        self.align = int(slot.shim.fixed["config"]["align"])

    def hold(self, address):
        return 0 <= address - self.start < int(self.pages["count"]) * PAGE

    def describe(self, address):
        first, length, kind = self._run((address - self.start) // PAGE)
        start = self.start + first * PAGE
        end = start + length * PAGE
        if kind == PAGES_FREE:
            return ["retained memory: %d pages that are free" % length]
        if kind in (PAGES_LARGE, PAGES_MOVED):
            return self._large(address, start, end)
        return self._shared(address, start, end)

    def _run(self, page):
        """First page, length and kind of the run that holds the page."""
        first = 0
        while True:
            run = self.pages["table"][first]
            length = int(run["length"])
            if length == 0:
                raise gdb.GdbError("the table of pages is damaged")
            if page < first + length:
                return first, length, int(run["kind"])
            first += length

    def _shared(self, address, start, end):
        words = read_words(start, end)
        cursor, room_end = int(self.heap["cursor"]), int(self.heap["end"])
        header = start + self.align - HEADER
        while header < end - HEADER and header <= address:
            if header == cursor and cursor < room_end:
                total, word = room_end - cursor, None
            else:
                word = words[(header - start) // 8]
                total = word & BYTES
            if total == 0 or total > end - header:
                return ["no block: the header at 0x%x is damaged" % header]
            if address < header + total:
                return self._block(address, header, header + total, word)
            header += total
        return ["no block"]

    def _large(self, address, start, end):
        words = read_words(start, start + PAGE)
        for offset in (1 << bit for bit in range(4, 13)):
            word = words[offset // 8 - 1]
            if word & BYTES == LARGE and word >> TAG_SHIFT == TAG:
                return self._block(address, start + offset - HEADER, end, word)
        return ["no block: the header of %d pages is damaged" % ((end - start) // PAGE)]

    def _block(self, address, header, end, word):
        if word is None:
            return ["no block: memory that is drawn from next"]
        if word >> TAG_SHIFT == TAG:
            state = "in use"
        else:
            state = "freed, not yet taken back" if word & REMOTE else "freed"
        block = header + HEADER
        offset = address - block
        where = "in its header" if offset < 0 else "at offset %d" % offset
        lines = ["retained block 0x%x, %d bytes, %s: %s" % (block, end - block, state, where)]
        if state == "in use":
            lines.append(self._scope(word >> 16 & 0xFFFFFFFF))
        return lines

    def _scope(self, serial):
        for scope in self.slot.scopes:
            if scope.retains and (scope.serial ^ serial) & ~NOTED == 0:
                return scope.title()
        return "of a scope that has ended"


# ---- threads -------------------------------------------------------------------------------------


def thread_pointers():
    """The thread pointer of every thread, with the thread's name for people."""
    found = []
    selected = gdb.selected_thread()
    if selected is None:
        return found
    frame = gdb.selected_frame()
    for thread in gdb.selected_inferior().threads():
        if not thread.is_valid() or thread.is_running():
            continue
        thread.switch()
        for name in THREAD_POINTERS:
            value = gdb.parse_and_eval(name)
            if value.type.code != gdb.TYPE_CODE_VOID:
                label = "%d (LWP %d)" % (thread.num, thread.ptid[1] or thread.ptid[2])
                found.append((int(value) & (1 << 64) - 1, label))
                break
    selected.switch()
    frame.select()
    return found


def owner_of(words, owners):
    """The thread whose thread-local variables lie at `words`."""
    distances = [(abs(pointer - words), label) for pointer, label in owners]
    distance, label = min(distances, default=(NEAR, ""))
    return label if distance < NEAR else "unknown"


# ---- blocks --------------------------------------------------------------------------------------


def read_words(start, end):
    """Memory as a list of 8-byte words."""
    memory = gdb.selected_inferior().read_memory(start, end - start)
    return memoryview(bytes(memory)).cast("Q")


def describe_block(scope, address, gap):
    """The block of an open scope that holds the address. Headers lead from one to the next."""
    words = read_words(scope.start, scope.end)
    header = scope.start
    while header < scope.end:
        if gap and header == gap[0] < gap[1]:
            if address < gap[1]:
                return "no block: memory that is drawn from next"
            header = gap[1]
            continue
        word = words[(header - scope.start) // 8]
        total = (word & ~FLAGS) - header
        if total <= 0 or total % ALIGNMENT != 0 or total > scope.end - header:
            return "no block: the header at 0x%x is damaged" % header
        if address < header + total:
            offset = address - header - HEADER
            where = "in its header" if offset < 0 else "at offset %d" % offset
            state = "freed" if word & FREED else "in use"
            return "block 0x%x, %d bytes, %s: %s" % (header + HEADER, total - HEADER, state, where)
        header += total
    return "no block"


# ---- commands ------------------------------------------------------------------------------------


class ArenashimCommand(gdb.Command):
    """Show what libarenashim.so does in this program.

    arenashim arenas         the arenas and their sizes
    arenashim scopes         the open scopes of each thread
    arenashim owner ADDRESS  which arena, block and scope an address belongs to"""

    def __init__(self):
        super().__init__("arenashim", gdb.COMMAND_DATA, gdb.COMPLETE_COMMAND, True)


class ArenasCommand(gdb.Command):
    """List the arenas: arenashim arenas

    slot       the arena's number
    thread     the thread that has it; none when it is free
    capacity   bytes that it keeps writable
    cursor     where its next block begins
    used       bytes drawn in open scopes
    retained   bytes of pages in use, of scopes that retain what is alive
    committed  bytes that are writable
    peak       the most that has been used since the program started"""

    def __init__(self):
        super().__init__("arenashim arenas", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        no_arguments("arenas", argument)
        row = "%4s  %-20s %12s  %-16s %12s %12s %12s %12s\n"
        head = ("slot", "thread", "capacity", "cursor", "used", "retained", "committed", "peak")
        gdb.write(row % head)
        for slot in Shim().slots():
            capacity = int(slot.record["capacity_end"]) - slot.memory
            committed = slot.committed - slot.memory
            cursor = "0x%x" % slot.cursor
            sizes = (slot.used(), slot.retained(), committed, slot.peak())
            gdb.write(row % ((slot.number, slot.owner, capacity, cursor) + sizes))


class ScopesCommand(gdb.Command):
    """List the open scopes of each thread, outermost first: arenashim scopes

    For each scope its label and place, where its memory starts, and the bytes it has drawn without
    the scopes in it."""

    def __init__(self):
        super().__init__("arenashim scopes", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        no_arguments("scopes", argument)
        none = True
        for slot in Shim().slots():
            if not slot.scopes:
                continue
            none = False
            gdb.write("thread %s, slot %d:\n" % (slot.owner, slot.number))
            for scope in slot.scopes:
                paused = ", paused" if scope.paused else ""
                gdb.write("  %s: %s%s\n" % (scope.title(), scope.extent(), paused))
        if none:
            gdb.write("no scope is open\n")


class OwnerCommand(gdb.Command):
    """Tell what an address belongs to: arenashim owner ADDRESS

    Says whether it lies in an arena, of which slot and thread, in which block, and which open scope
    the block was drawn in."""

    def __init__(self):
        super().__init__("arenashim owner", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("arenashim owner takes an address")
        address = int(gdb.parse_and_eval("(unsigned long) (%s)" % argument))
        for line in self._describe(Shim(), address):
            gdb.write(line + "\n")

    @staticmethod
    def _describe(shim, address):
        if not shim.start <= address < shim.start + shim.size:
            return ["0x%x is in no arena: the next allocator's, or nobody's" % address]
        memories = shim.start + shim.slots_there * RECORD
        if address < memories:
            number = (address - shim.start) // RECORD
            return ["0x%x is in slot %d: the shim's own record" % (address, number)]
        number = (address - memories) // shim.span
        slot = next((slot for slot in shim.slots() if slot.number == number), None)
        if slot is None:
            return ["0x%x is in slot %d, which no thread has had" % (address, number)]
        lines = ["0x%x is in slot %d, thread %s" % (address, number, slot.owner)]
        checked = bool(shim.fixed["checked"])
        heap = Heap(slot)
        if address < slot.memory:
            lines.append("the guard before the arena")
        elif heap.hold(address) and not checked:
            lines += heap.describe(address)
        elif address >= slot.committed and not heap.hold(address):
            lines.append("address space that the arena has not grown to")
        elif checked:
            lines.append("a memory checker is at work: ask it about the block")
        elif not slot.scopes or address >= slot.cursor or address < slot.scopes[0].start:
            lines.append("not drawn in an open scope: after its scope's end or free, or never drawn")
        else:
            scope = next(
                scope
                for scope in reversed(slot.scopes)
                if address >= scope.start and not scope.retains
            )
            lines += [describe_block(scope, address, slot.gap), scope.title()]
        return lines


def no_arguments(command, argument):
    if argument:
        raise gdb.GdbError("arenashim %s takes no argument" % command)


ArenashimCommand()
ArenasCommand()
ScopesCommand()
OwnerCommand()
