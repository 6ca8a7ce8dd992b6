package reporting

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestTwoDaemonsCannotShareADirectory(t *testing.T) {
	s := openStore(t, StoreOptions{})
	_, err := OpenStore(t.Context(), StoreOptions{Dir: s.Dir()})
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
	require.ErrorContains(t, err, s.Dir())
	require.NoError(t, s.Close())
	openStore(t, StoreOptions{Dir: s.Dir()})
}

func TestANetworkShareIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenStore(t.Context(), StoreOptions{Dir: dir, FileSystem: func(string) (string, bool, error) { return "nfs", true, nil }})
	require.ErrorIs(t, err, ErrNetworkShare)
	require.ErrorContains(t, err, "nfs")
	require.NoFileExists(t, filepath.Join(dir, StoreFile))
	require.NoFileExists(t, filepath.Join(dir, lockFile))
	_, network, err := fileSystem(dir)
	require.NoError(t, err)
	require.False(t, network)
}

func TestADamagedFileIsMovedAside(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, string){
		"not a database": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("this is not a database, though it is long enough to be one"), 0o600))
		},
		"overwritten pages": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			junk := make([]byte, 20000)
			for i := range junk {
				junk[i] = byte(i * 7)
			}
			_, err = f.WriteAt(junk, 4096)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, StoreOptions{})
			for i := range 50 {
				admit(t, s, "acq", fmt.Sprint(i))
			}
			require.NoError(t, s.Close())
			path := filepath.Join(s.Dir(), StoreFile)
			harm(t, path)
			core, logs := observer.New(zap.ErrorLevel)
			again := openStore(t, StoreOptions{Dir: s.Dir(), Log: zap.New(core)})
			require.Contains(t, again.MovedAside(), StoreFile+".corrupt-")
			require.FileExists(t, again.MovedAside())
			require.Equal(t, 1, logs.Len())
			admit(t, again, "acq", "another")
		})
	}
}

func TestAFileOfANewerVersionIsLeftAlone(t *testing.T) {
	s := openStore(t, StoreOptions{})
	require.NoError(t, s.Close())
	db, err := sql.Open("sqlite", filepath.Join(s.Dir(), StoreFile))
	require.NoError(t, err)
	_, err = db.Exec("PRAGMA user_version = 99")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = OpenStore(t.Context(), StoreOptions{Dir: s.Dir()})
	require.ErrorContains(t, err, "version 99")
	left, err := filepath.Glob(filepath.Join(s.Dir(), "*.corrupt-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAReaderWorksBesideTheDaemonAndWithoutIt(t *testing.T) {
	_, err := OpenStore(t.Context(), StoreOptions{Dir: t.TempDir(), ReadOnly: true})
	require.ErrorContains(t, err, "no store")

	s := openStore(t, StoreOptions{})
	f := admit(t, s, "acq", "a")
	for _, when := range []string{"beside", "without"} {
		if when == "without" {
			require.NoError(t, s.Close())
		}
		r, err := OpenStore(t.Context(), StoreOptions{Dir: s.Dir(), ReadOnly: true})
		require.NoError(t, err, when)
		got, err := r.Frame(t.Context(), f.ID)
		require.NoError(t, err)
		require.Equal(t, f, got)
		_, _, err = r.Admit(t.Context(), FrameRecord{Source: "acq", Key: "b"})
		require.ErrorIs(t, err, ErrReadOnly)
		require.NoError(t, r.Close())
	}
}

func TestTheDirectoryMayHaveAnyName(t *testing.T) {
	for _, name := range []string{"with space", "50%?a=b&c#d", "übung", "a:b"} {
		s := openStore(t, StoreOptions{Dir: filepath.Join(t.TempDir(), name)})
		admit(t, s, "acq", "a")
		require.FileExists(t, filepath.Join(s.Dir(), StoreFile))
	}
	t.Chdir(t.TempDir())
	s := openStore(t, StoreOptions{Dir: "relative"})
	admit(t, s, "acq", "a")
	require.FileExists(t, filepath.Join("relative", StoreFile))
}

func TestTheWriterSyncsEveryCommit(t *testing.T) {
	s := openStore(t, StoreOptions{})
	mode := func() (synchronous int, journal string) {
		require.NoError(t, s.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous))
		require.NoError(t, s.conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&journal))
		return synchronous, journal
	}
	const normal, full = 1, 2
	sync, journal := mode()
	require.Equal(t, full, sync)
	require.Equal(t, "wal", journal)
	require.NoError(t, s.AckMessage(t.Context(), 1))
	sync, _ = mode()
	require.Equal(t, normal, sync)
	admit(t, s, "acq", "a")
	sync, _ = mode()
	require.Equal(t, full, sync)
}
