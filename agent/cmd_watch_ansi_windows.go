package agent

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableANSI has an older console understand the codes that the screen is drawn with; newer ones do anyway.
func enableANSI(f *os.File) {
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil {
		_ = windows.SetConsoleMode(windows.Handle(f.Fd()), mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
	}
}
