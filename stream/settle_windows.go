package stream

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// probeWriter does not ask: the only way would keep a writer from opening the file in that moment.
func probeWriter(*os.File) writer { return writerUnknown }

// probeOnce asks whether any program has the file open for writing, by opening it for a moment in a way that
// would not go together. It is asked of files only that have rested and are complete, right before they are
// taken, so that no writer is met in between.
func probeOnce(path string) writer {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return writerUnknown
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		_ = windows.CloseHandle(handle)
		return writerNone
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return writerOpen
	}
	return writerUnknown
}
