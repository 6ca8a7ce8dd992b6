//go:build !windows

package agent

import "os"

// enableANSI does nothing: terminals understand the codes that the screen is drawn with.
func enableANSI(*os.File) {}
