package infer

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
//
// // The message belongs to the thread, so it is asked for in the same call.
// static const char *aimsd_preload(const char *path) {
//	return dlopen(path, RTLD_LAZY | RTLD_LOCAL) ? NULL : dlerror();
// }
import "C"

import (
	"errors"
	"unsafe"
)

// preload loads libraries, each after those that it needs, for the rest of the process: whatever needs them afterwards
// finds them by name, wherever they lie.
func preload(paths []string) error {
	for _, path := range paths {
		if err := preloadOne(path); err != nil {
			return err
		}
	}
	return nil
}

func preloadOne(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if why := C.aimsd_preload(name); why != nil {
		return errors.New(C.GoString(why))
	}
	return nil
}
