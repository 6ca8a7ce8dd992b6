package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFolderGivenByALinkIsReadLikeTheFolder(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	require.NoError(t, os.Mkdir(real, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(real, "a.tif"), []byte("II*\x00"), 0o600))
	if err := os.Symlink(real, link); err != nil {
		t.Skip("links cannot be made here: ", err)
	}
	for _, given := range []string{link, link + string(filepath.Separator)} {
		require.Equal(t, []input{{path: filepath.Join(link, "a.tif")}}, listInputs([]string{given}, filepath.Join(dir, "out")))
	}
}

func TestBothSignsForMicroAreUnderstood(t *testing.T) {
	for _, s := range []string{"2um", "2\u00b5m", "2\u03bcm"} {
		p, err := ParseScale(s)
		require.NoError(t, err, s)
		require.Equal(t, 2000.0, p.FixedNmPerPx)
	}
}

func TestAPathThatCannotBeReadIsNamedOnce(t *testing.T) {
	err := cannotRead("in", &fs.PathError{Op: "open", Path: "in/secret", Err: fs.ErrPermission})
	require.EqualError(t, err, "cannot read in/secret: permission denied; check the permissions")
	require.ErrorIs(t, err, fs.ErrPermission)
}
