! The module for Fortran: what ALLOCATE, assignment and automatic arrays draw in scopes. Stops with a
! line that says what was not so. The argument says whether the shim is there.
program fortran
    use arenashim
    use omp_lib, only: omp_get_max_threads
    implicit none

    type(arena_site), save :: steps = arena_site('steps')
    type(arena_site), save :: keeps = arena_site('keeps', retains=.true.)
    type(arena_site), save :: inner = arena_site('inner of a name of 63 letters, which is as many as it may have.')
    character(len=8) :: argument
    logical :: preloaded
    integer :: i
    real, allocatable :: kept(:), next(:)
    real :: sums(100)

    call get_command_argument(1, argument)
    preloaded = argument == 'shim'
    call expect(.not. arena_scope_active(), 'no scope is open at first')

    do i = 1, 100
        sums(i) = sum_of_squares(i * 100)
    end do
    call expect(nint(sums(2)) == 200, 'sums')

    do i = 1, 100
        call keep(real(i), next)
        if (i > 1) call expect(all(nint(kept) == i - 1), 'what is kept')
        call move_alloc(next, kept)
        sums(i) = sum_of_squares(1000)
    end do

    call leave_early(.true.)
    call expect(.not. arena_scope_active(), 'a scope ends with its procedure')

    !$omp parallel do
    do i = 1, 100
        sums(i) = sum_of_squares(i)
    end do
    !$omp end parallel do
    call expect(all(nint(sums) == [(i, i=1, 100)]), 'sums of threads')
    call expect(omp_get_max_threads() > 1, 'there are threads')

contains

    subroutine expect(holds, what)
        logical, intent(in) :: holds
        character(*), intent(in) :: what
        if (.not. holds) then
            print '(2a)', 'not so: ', what
            error stop 1
        end if
    end subroutine expect

    function sum_of_squares(count) result(total)
        integer, intent(in) :: count
        real :: total
        real, allocatable :: ones(:), squares(:)
        type(arena_scope) :: scope
        call scope%begin(steps)
        call expect(arena_scope_active() .eqv. preloaded, 'the scope is served')
        allocate(ones(count))
        ones = 1
        squares = ones * ones
        total = automatic(squares, count)
        deallocate(ones, squares)
        call scope%end()
    end function sum_of_squares

    function automatic(values, count) result(total)
        integer, intent(in) :: count
        real, intent(in) :: values(count)
        real :: total, copy(count)
        type(arena_scope) :: scope
        call scope%begin(inner)
        copy = values
        total = sum(copy)
    end function automatic

    subroutine keep(value, array)
        real, intent(in) :: value
        real, allocatable, intent(out) :: array(:)
        type(arena_scope) :: scope
        call scope%begin(keeps)
        allocate(array(1000), source=value)
        call scope%end()
    end subroutine keep

    subroutine leave_early(early)
        logical, intent(in) :: early
        type(arena_scope) :: scope
        call scope%begin(steps)
        if (early) return
        call expect(.false., 'returned')
    end subroutine leave_early
end program fortran
