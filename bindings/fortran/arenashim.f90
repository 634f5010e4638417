! Marks of scopes for Fortran programs that may run under libarenashim.so (arenashim/scope.h). What
! the thread allocates in a scope, by ALLOCATE, by assignment, or for automatic arrays, comes from its
! arena. There is nothing to link (before glibc 2.34 -ldl), and without the shim a mark does nothing.
!
!     use arenashim
!     type(arena_site), save :: site = arena_site('step')
!     type(arena_scope) :: scope
!
!     call scope%begin(site)
!     ...
!     call scope%end()
!
! Compile this file into the program, or into the library whose allocations are meant: a scope that drops
! serves the module (the object file) that has the marks.
!
! Automatic arrays are made when their procedure is entered: those of the procedure that begins the scope lie
! outside of it, those of the procedures that it calls inside.
!
! A scope that a RETURN leaves open ends with the procedure or BLOCK whose variable it is: a scalar, which is
! not copied. Compilers may draw memory to do so (gfortran 12: 8 bytes), which the statistics count as alive at
! the scope's end and as freed after it.
!
! What is alive at the end of a scope is gone, as in C: deallocate in the scope what was allocated in
! it, and allocate before it what is to last. With arena_site('step', retains=.true.) nothing is
! dropped: what is alive stays until it is deallocated.
module arenashim
    use, intrinsic :: iso_c_binding
    implicit none
    private

    public :: arena_site, arena_scope, arena_scope_active

    ! Where a scope is marked; the statistics are kept under the label. It must have the attribute SAVE.
    type :: arena_site
        character(len=63) :: label
        character, private :: nul = c_null_char ! of a label of full length
        logical :: retains = .false.
    end type arena_site

    ! An open scope, in the thread that has begun it.
    type :: arena_scope
        private
        integer(c_int64_t) :: id = 0
    contains
        procedure, public :: begin => scope_begin
        procedure, public :: end => scope_end
        final :: scope_end_at_last
    end type arena_scope

    ! arena_scope_site and arena_scope_token.
    type, bind(c) :: c_site
        type(c_ptr) :: label, file
        integer(c_int32_t) :: line, flags
    end type c_site

    type, bind(c) :: c_token
        integer(c_int64_t) :: id
    end type c_token

    abstract interface
        function c_begin(site) bind(c) result(token)
            import :: c_site, c_token
            type(c_site), intent(in) :: site
            type(c_token) :: token
        end function c_begin
        subroutine c_end(token) bind(c)
            import :: c_token
            type(c_token), value :: token
        end subroutine c_end
        function c_active() bind(c) result(active)
            import :: c_int
            integer(c_int) :: active
        end function c_active
    end interface

    interface
        function dlsym(handle, name) bind(c)
            import :: c_ptr, c_funptr, c_char
            type(c_ptr), value :: handle
            character(kind=c_char), intent(in) :: name(*)
            type(c_funptr) :: dlsym
        end function dlsym
        function dlerror() bind(c)
            import :: c_ptr
            type(c_ptr) :: dlerror
        end function dlerror
    end interface

    integer(c_int32_t), parameter :: flag_retains = 1

    ! A word, so that threads which race here find one thing or the other.
    integer(c_intptr_t), parameter :: not_looked_up = 1
    integer(c_intptr_t), save :: begin_address = not_looked_up
    integer(c_intptr_t), save :: end_address = not_looked_up
    integer(c_intptr_t), save :: active_address = not_looked_up

contains

    ! The shim's function of that name, which ends with a NUL; null without the shim.
    function found(name, address) result(pointer)
        character(*), intent(in) :: name
        integer(c_intptr_t), intent(inout) :: address
        type(c_funptr) :: pointer
        type(c_ptr) :: noted
        if (address == not_looked_up) then
            pointer = dlsym(c_null_ptr, name)
            if (.not. c_associated(pointer)) noted = dlerror() ! it is not the program's
            address = transfer(pointer, address)
        else
            pointer = transfer(address, pointer)
        end if
    end function found

    ! Behind the text of a label lie blanks, and C wants a NUL.
    subroutine terminate(label)
        character(len=63), intent(inout) :: label
        integer :: length
        if (label(63:63) /= ' ') return
        length = len_trim(label)
        label(length+1:length+1) = c_null_char
        label(63:63) = c_null_char
    end subroutine terminate

    ! Begins a scope. One that this variable stands for already is ended before.
    subroutine scope_begin(self, site)
        class(arena_scope), intent(inout) :: self
        type(arena_site), intent(inout), target :: site
        procedure(c_begin), pointer :: begin
        type(c_funptr) :: pointer
        type(c_token) :: token
        call self%end()
        pointer = found('arena_scope_begin'//c_null_char, begin_address)
        if (.not. c_associated(pointer)) return
        call terminate(site%label)
        call c_f_procpointer(pointer, begin)
        token = begin(c_site(c_loc(site%label), c_null_ptr, 0, merge(flag_retains, 0_c_int32_t, site%retains)))
        self%id = token%id
    end subroutine scope_begin

    ! Ends the scope, and those begun in it that are still open; if there is one.
    subroutine scope_end(self)
        class(arena_scope), intent(inout) :: self
        procedure(c_end), pointer :: end
        if (self%id == 0) return
        call c_f_procpointer(found('arena_scope_end'//c_null_char, end_address), end)
        call end(c_token(self%id))
        self%id = 0
    end subroutine scope_end

    subroutine scope_end_at_last(self)
        type(arena_scope), intent(inout) :: self
        call scope_end(self)
    end subroutine scope_end_at_last

    ! Whether the calling thread is in a scope that the shim serves.
    function arena_scope_active() result(active)
        logical :: active
        procedure(c_active), pointer :: ask
        type(c_funptr) :: pointer
        pointer = found('arena_scope_active'//c_null_char, active_address)
        active = c_associated(pointer)
        if (.not. active) return
        call c_f_procpointer(pointer, ask)
        active = ask() /= 0
    end function arena_scope_active

end module arenashim
