package agent

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/reporting"
)

func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func TestCheckLeavesTheDataDirectoryAsItIs(t *testing.T) {
	root := t.TempDir()
	only := func(dir string) finding {
		found := checkStore(t.Context(), dir)
		require.Len(t, found, 1)
		return found[0]
	}
	require.Equal(t, fine("data_dir", "%s can be made", filepath.Join(root, "a", "b")), only(filepath.Join(root, "a", "b")))
	require.Equal(t, "ok", only(root).status)
	require.Empty(t, entries(t, root))

	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Equal(t, fault("data_dir", "%s is no folder; name a folder on a local disk", file), only(filepath.Join(file, "data")))

	data := filepath.Join(root, "data")
	store, err := reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: data})
	require.NoError(t, err)
	require.Equal(t, "ok", only(data).status, "beside a running daemon")
	require.NoError(t, store.Close())
	before := entries(t, data)
	require.Equal(t, "ok", only(data).status)
	require.Equal(t, before, entries(t, data))

	require.NoError(t, os.WriteFile(filepath.Join(data, reporting.StoreFile), []byte("this is no database at all, whatever it is called"), 0o600))
	f := only(data)
	require.Equal(t, "FAULT", f.status)
	require.Contains(t, f.text, "restore it")
	require.Equal(t, before, entries(t, data), "not moved aside")
}

func TestCheckFindsWhatKeepsTheListenersFromOpening(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	for _, c := range []struct {
		grpc       GRPCConfig
		http       string
		statuses   [2]string
		grpc1, htt string
	}{
		{GRPCConfig{Listen: "127.0.0.1:0"}, "", [2]string{"ok", "note"}, "free", "switched off"},
		{GRPCConfig{Listen: ln.Addr().String()}, ln.Addr().String(), [2]string{"note", "note"}, "in use", "in use"},
		{GRPCConfig{Listen: "0.0.0.0:0"}, "0.0.0.0:0", [2]string{"FAULT", "FAULT"}, "TLS or a token", "loopback"},
		{GRPCConfig{Listen: "127.0.0.1:0", TokenFile: "/no/token"}, "nonsense", [2]string{"FAULT", "FAULT"}, "/no/token", "127.0.0.1:7480"},
		{GRPCConfig{Listen: "127.0.0.1:0", TLS: ServerTLS{CertFile: "/no/cert"}}, "", [2]string{"FAULT", "note"}, "PEM", ""},
	} {
		found := checkListeners(t.Context(), Config{GRPC: c.grpc, HTTP: HTTPConfig{Listen: c.http}})
		require.Len(t, found, 2)
		require.Equal(t, c.statuses, [2]string{found[0].status, found[1].status}, found)
		require.Contains(t, found[0].text, c.grpc1)
		require.Contains(t, found[1].text, c.htt)
	}
}

func TestTheLibraryIsFoundWhereTheNamedCommandPutsIt(t *testing.T) {
	home := t.TempDir()
	t.Setenv(infer.LibraryEnv, "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "elsewhere"))
	t.Setenv("HOME", home)
	require.Contains(t, infer.FetchCommand, "--target ~/.cache/aimsd onnxruntime==")
	path := filepath.Join(home, ".cache", "aimsd", "onnxruntime", "capi", "libonnxruntime.so.1.24.1")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	found, err := infer.FindLibrary()
	require.NoError(t, err)
	require.Equal(t, path, found)
}
