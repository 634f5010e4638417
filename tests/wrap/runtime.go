// Goes deep on the stack of a goroutine, which is moved meanwhile.
package main

// #include <dirent.h>
// #include <stdlib.h>
import "C"
import "fmt"

//go:noinline
func grow(n int) int {
	var pad [256]byte
	pad[n%256] = byte(n)
	if n == 0 {
		return int(pad[0])
	}
	return grow(n-1) + int(pad[n%256]&1)
}

func main() {
	root := C.CString("/")
	C.closedir(C.opendir(root))
	done := make(chan int)
	go func() { done <- grow(20000) }()
	fmt.Println(<-done)
	C.exit(0) // Go itself ends without the C library
}
