//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// hostileNames would lead out of the data directory, or mean something else than a name on some system.
func hostileNames() []string {
	return []string{
		"..", ".", "../x", "../../../../tmp/aimsd-outside", "/tmp/aimsd-outside", "/etc/passwd", "a/../../../b", "a/b", "./a",
		`..\..\x`, `C:\x`, `C:x`, `\\server\share\x`, `\\?\C:\x`, "name:stream", "a\x00b", "a\nb", "\x1b[2J", "a\u202eb",
		"CON", "con.tif", "PRN", "aux.TIF", "NUL", "nul.", "COM1", "com9.txt", "LPT1", "LPT\u00b9.tif", "CONIN$",
		".aimsd", ".aimsd-x", ".hidden", "a.", "a ", " a", "~", "~$a", "$HOME", "%APPDATA%", "a*b?", `a"b<c>|d`, "-rf",
		"report.html", "summary.csv", strings.Repeat("x", 128), strings.Repeat("\u00fc", 64),
	}
}

// reserved are names of devices on Windows, with any extension.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9\x{b9}\x{b2}\x{b3}]|lpt[0-9\x{b9}\x{b2}\x{b3}]|conin\$|conout\$)( *\..*)?$`)

// TestNoNameFromOutsideLeavesTheDataDirectory pushes frames whose every name is hostile: they are refused with
// the reason, or lie in their run's folder under a name that is one on every system.
func TestNoNameFromOutsideLeavesTheDataDirectory(t *testing.T) {
	s := newSite(t, "run: {idle_timeout: 1h}\n")
	d := s.start()
	conn := d.dial()
	pixels := bytes.Repeat([]byte{100}, 64*64)
	pushed, refused := 0, 0
	for i, name := range hostileNames() {
		for field, set := range map[string]func(*aimsv1.FrameHeader){
			"frame_uid": func(h *aimsv1.FrameHeader) { h.FrameUid = name },
			"name":      func(h *aimsv1.FrameHeader) { h.Name = name },
			"run_id":    func(h *aimsv1.FrameHeader) { h.RunId = name },
			"source":    func(h *aimsv1.FrameHeader) { h.Source = name },
			"metadata":  func(h *aimsv1.FrameHeader) { h.Metadata = map[string]string{name: name} },
		} {
			header := &aimsv1.FrameHeader{
				FrameUid: fmt.Sprintf("%s-%d", field, i), RunId: "run", Width: 64, Height: 64, Format: aimsv1.PixelFormat_GRAY8,
			}
			set(header)
			acks := push(t, conn, header, pixels)
			switch last := acks[len(acks)-1]; last.State {
			case aimsv1.FrameAck_REJECTED:
				refused++
				require.NotEmpty(t, last.Reason)
			case aimsv1.FrameAck_DONE, aimsv1.FrameAck_DUPLICATE:
				pushed++
				require.True(t, filepath.IsLocal(last.Result.Folder), "%s %q: %s", field, name, last.Result.Folder)
				require.DirExists(t, filepath.Join(s.data, "runs", last.Result.RunId, last.Result.Folder), "%s %q", field, name)
			default:
				require.Fail(t, "unexpected", "%s %q: %v", field, name, last)
			}
		}
	}
	require.Positive(t, pushed)
	require.Positive(t, refused)
	require.Zero(t, d.stop())
	t.Logf("%d frames taken, %d refused", pushed, refused)

	require.NoFileExists(t, "/tmp/aimsd-outside")
	top, err := os.ReadDir(filepath.Dir(s.data))
	require.NoError(t, err)
	var names []string
	for _, entry := range top {
		names = append(names, entry.Name())
	}
	require.ElementsMatch(t, []string{"aimsd.yaml", "data", "frames"}, names, "nothing beside the data directory")
	inside, err := os.ReadDir(s.frames)
	require.NoError(t, err)
	require.Empty(t, inside)
	require.NoError(t, filepath.WalkDir(filepath.Join(s.data, "runs"), func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		name := e.Name()
		if filepath.Base(filepath.Dir(path)) != "runs" { // a run's folder has its run_id, which Windows refuses there
			require.NotRegexp(t, reserved, name, path)
		}
		require.False(t, strings.ContainsAny(name, `<>:"\|?*`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "), path)
		require.Zero(t, e.Type()&fs.ModeSymlink, path)
		return nil
	}))
}
