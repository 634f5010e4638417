! libarena.a from Fortran, by the symbols of its C ABI alone.
! Exits 0, or stops with a line that says what was not so.
program link_arena
    use, intrinsic :: iso_c_binding
    implicit none

    ! struct arena of arena.h
    type, bind(c) :: arena
        type(c_ptr) :: base
        integer(c_size_t) :: capacity, next, end, highest
        integer(c_int64_t) :: overflow_count
    end type arena

    interface
        subroutine arena_init(self, buffer, size) bind(c)
            import :: arena, c_ptr, c_size_t
            type(arena), intent(out) :: self
            type(c_ptr), value :: buffer
            integer(c_size_t), value :: size
        end subroutine
        function arena_alloc(self, size, alignment) bind(c) result(block)
            import :: arena, c_ptr, c_size_t
            type(arena), intent(inout) :: self
            integer(c_size_t), value :: size, alignment
            type(c_ptr) :: block
        end function
        function arena_alloc_items(self, item_size, alignment, count) bind(c) result(block)
            import :: arena, c_ptr, c_size_t
            type(arena), intent(inout) :: self
            integer(c_size_t), value :: item_size, alignment, count
            type(c_ptr) :: block
        end function
        function arena_mark(self) bind(c) result(position)
            import :: arena, c_size_t
            type(arena), intent(in) :: self
            integer(c_size_t) :: position
        end function
        subroutine arena_rewind(self, position) bind(c)
            import :: arena, c_size_t
            type(arena), intent(inout) :: self
            integer(c_size_t), value :: position
        end subroutine
        subroutine arena_reset(self) bind(c)
            import :: arena
            type(arena), intent(inout) :: self
        end subroutine
        function arena_remaining(self) bind(c) result(bytes)
            import :: arena, c_size_t
            type(arena), intent(in) :: self
            integer(c_size_t) :: bytes
        end function
        function arena_utilization(self) bind(c) result(share)
            import :: arena, c_double
            type(arena), intent(in) :: self
            real(c_double) :: share
        end function
        function arena_high_water(self) bind(c) result(bytes)
            import :: arena, c_size_t
            type(arena), intent(in) :: self
            integer(c_size_t) :: bytes
        end function
        function arena_overflow_count(self) bind(c) result(count)
            import :: arena, c_int64_t
            type(arena), intent(in) :: self
            integer(c_int64_t) :: count
        end function
        function arena_thread() bind(c) result(mine)
            import :: c_ptr
            type(c_ptr) :: mine
        end function
        subroutine arena_thread_set_capacity(capacity) bind(c)
            import :: c_size_t
            integer(c_size_t), value :: capacity
        end subroutine
        subroutine arena_thread_reset() bind(c)
        end subroutine
        function arena_thread_utilization() bind(c) result(share)
            import :: c_double
            real(c_double) :: share
        end function
    end interface

    integer, parameter :: sz = c_size_t

    call check_own_buffer()
    call check_thread_arena()

contains

    subroutine expect(holds, what)
        logical, intent(in) :: holds
        character(*), intent(in) :: what
        if (.not. holds) then
            print '(2a)', 'not so: ', what
            error stop 1
        end if
    end subroutine

    subroutine check_own_buffer()
        real(c_double), target :: buffer(128)
        type(arena) :: own
        type(c_ptr) :: block
        integer(c_size_t) :: position
        real(c_double), pointer :: numbers(:)
        integer :: i

        call arena_init(own, c_loc(buffer), 1024_sz)
        block = arena_alloc(own, 3_sz, 1_sz)
        call expect(c_associated(block, c_loc(buffer)), 'the first block is at the start')
        position = arena_mark(own)

        block = arena_alloc_items(own, 8_sz, 8_sz, 63_sz)
        call expect(c_associated(block, c_loc(buffer(2))), 'an array is aligned')
        call c_f_pointer(block, numbers, [63])
        numbers = [(real(i, c_double), i = 1, 63)]
        call expect(nint(sum(buffer(2:64))) == 2016, 'an array lies in the buffer')
        call expect(arena_remaining(own) == 512, 'remaining')
        call expect(nint(100 * arena_utilization(own)) == 50, 'utilization')

        block = arena_alloc(own, 513_sz, 1_sz)
        call expect(.not. c_associated(block), 'what does not fit is refused')
        call expect(arena_overflow_count(own) == 1, 'and counted')
        call arena_rewind(own, position)
        call expect(arena_remaining(own) == 1021, 'rewind')
        call arena_reset(own)
        call expect(arena_remaining(own) == 1024, 'reset')
        call expect(arena_high_water(own) == 512, 'high water')
    end subroutine

    subroutine check_thread_arena()
        type(arena), pointer :: mine
        type(c_ptr) :: block

        call arena_thread_set_capacity(5000_sz)
        call c_f_pointer(arena_thread(), mine)
        call expect(mine%capacity == 5000, 'a thread''s capacity')
        block = arena_alloc(mine, 2500_sz, 4096_sz)
        call expect(c_associated(block, mine%base), 'its arena starts on a page')
        call expect(nint(100 * arena_thread_utilization()) == 50, 'its utilization')
        call arena_thread_reset()
        call expect(arena_remaining(mine) == 5000, 'its reset')
    end subroutine

end program link_arena
