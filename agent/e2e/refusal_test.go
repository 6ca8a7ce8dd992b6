//go:build linux

package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/reporting"
)

// requireRefusal checks for exit status 2 and one line on stderr that holds these words.
func requireRefusal(t *testing.T, r result, words ...string) {
	t.Helper()
	require.Equal(t, 2, r.status, r.stderr)
	require.Len(t, r.lines(), 1, r.stderr)
	require.True(t, strings.HasPrefix(r.stderr, "aimsd: "), r.stderr)
	for _, word := range words {
		require.Contains(t, r.stderr, word)
	}
	require.Empty(t, r.stdout)
}

func TestMistakesOnTheCommandLineAreRefusedInOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "aimsd.yaml")
	put(t, config, []byte("site: lab\ndata_dir: data\nmqtt:\n  url: tcp://127.0.0.1:1\n  usrname: me\n"))
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no inputs":       {[]string{"analyze", "-o", filepath.Join(dir, "out")}, []string{"no images"}},
		"empty folder":    {[]string{"analyze", "-o", filepath.Join(dir, "out"), t.TempDir()}, []string{"no images"}},
		"unknown key":     {[]string{"run", "-c", config}, []string{config, "line 5", `"usrname"`, "username"}},
		"no file":         {[]string{"run", "-c", filepath.Join(dir, "gone.yaml")}, []string{"gone.yaml", "-c"}},
		"no config":       {[]string{"run"}, []string{"-c FILE"}},
		"unknown command": {[]string{"analyse", "x.tif"}, []string{`"analyse"`, "--help"}},
		"unknown flag":    {[]string{"analyze", "--out", "x"}, []string{"--out", "analyze --help"}},
		"unknown mode":    {[]string{"analyze", "--mode", "dots", config}, []string{`"dots"`, "particles"}},
		"bad scale":       {[]string{"analyze", "--scale", "5", config}, []string{`"5"`, "2.5nm"}},
		"no labels":       {[]string{"measure", "-o", filepath.Join(dir, "out")}, []string{"--labels"}},
	} {
		t.Run(name, func(t *testing.T) { requireRefusal(t, aimsd(t, c.args...), c.words...) })
	}
	require.NoDirExists(t, filepath.Join(dir, "out"))
}

// install puts the program into a folder as a user may have it, and its library, if any, into lib beside it.
// It returns what runs it without any help from the environment.
func install(t *testing.T, library string) (exe string, env []string) {
	t.Helper()
	dir := t.TempDir()
	exe = filepath.Join(dir, "aimsd")
	if os.Link(program.exe, exe) != nil { // another disk
		src, err := os.Open(program.exe)
		require.NoError(t, err)
		defer src.Close()
		dst, err := os.OpenFile(exe, os.O_CREATE|os.O_WRONLY, 0o755)
		require.NoError(t, err)
		_, err = io.Copy(dst, src)
		require.NoError(t, err)
		require.NoError(t, dst.Close())
	}
	if library != "" {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "lib"), 0o755))
		require.NoError(t, os.Symlink(library, filepath.Join(dir, "lib", "libonnxruntime.so")))
	}
	for _, entry := range environment("HOME="+dir, "XDG_CACHE_HOME="+filepath.Join(dir, "cache")) {
		if !strings.HasPrefix(entry, infer.LibraryEnv+"=") {
			env = append(env, entry)
		}
	}
	return exe, env
}

func TestMissingLibraryIsNamedWithTheCommandThatFetchesIt(t *testing.T) {
	t.Parallel()
	exe, env := install(t, "")
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.tif"), constantTIFF(t, side, side, 0))
	put(t, filepath.Join(dir, "aimsd.yaml"), []byte("data_dir: data\ngrpc: {listen: \"\"}\nhttp: {listen: \"\"}\n"))
	for _, args := range [][]string{
		{"analyze", "-o", filepath.Join(dir, "out"), filepath.Join(dir, "a.tif")},
		{"run", "-c", filepath.Join(dir, "aimsd.yaml")},
	} {
		r := finish(t, exec.CommandContext(t.Context(), exe, args...), env)
		requireRefusal(t, r, "ONNX Runtime", "make lib", "pip install")
	}
	put(t, filepath.Join(dir, "damaged.so"), []byte("no library"))
	r := finish(t, exec.CommandContext(t.Context(), exe, "analyze", filepath.Join(dir, "a.tif")),
		append(env, infer.LibraryEnv+"="+filepath.Join(dir, "damaged.so")))
	requireRefusal(t, r, "damaged.so does not load", "pip install")
	require.NotContains(t, r.stderr, "not found")

	temp := t.TempDir()
	r = finish(t, exec.CommandContext(t.Context(), exe, "demo"), append(env, "TMPDIR="+temp))
	requireRefusal(t, r, "pip install")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "a demo that cannot start leaves nothing")
}

func TestProgramRunsThroughASymlinkFromAnyFolder(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	exe, env := install(t, program.ortPath)
	elsewhere := t.TempDir()
	link := filepath.Join(elsewhere, "microscope-analysis")
	require.NoError(t, os.Symlink(exe, link))
	put(t, filepath.Join(elsewhere, "frame.tif"), smallTIFF(t, 1))
	c := exec.CommandContext(t.Context(), link, "analyze", "frame.tif")
	c.Dir = elsewhere
	r := finish(t, c, env)
	require.Zero(t, r.status, r.stderr)
	require.Positive(t, readResult(t, filepath.Join(elsewhere, "aims_out", "frame.tif")).Objects)
}

func TestWhatADaemonCannotStartWithIsNamed(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "noise.onnx"), []byte("no network"))
	put(t, filepath.Join(dir, "file"), nil)
	for name, c := range map[string]struct {
		settings string
		words    []string
	}{
		"model missing":    {"infer: {model: gone.onnx}", []string{filepath.Join(dir, "gone.onnx"), `"default"`}},
		"model is noise":   {"infer: {model: noise.onnx}", []string{filepath.Join(dir, "noise.onnx"), "ONNX"}},
		"data_dir":         {"data_dir: file/data", []string{filepath.Join(dir, "file"), "name a folder"}},
		"open to everyone": {"grpc: {listen: \"0.0.0.0:0\"}", []string{"0.0.0.0:0", "TLS"}},
		"http for all":     {"http: {listen: \"0.0.0.0:0\"}", []string{"0.0.0.0:0", "loopback"}},
		"broker":           {"mqtt: {url: \"http://127.0.0.1\"}", []string{"mqtt.url", "http", "tcp"}},
	} {
		config := filepath.Join(dir, "aimsd.yaml")
		text := c.settings + "\n"
		data := "data_dir: data-" + strings.ReplaceAll(name, " ", "-") // of its own: failed starts in a row are slowed down
		for _, other := range []string{data, "grpc: {listen: \"\"}", "http: {listen: \"\"}"} {
			if key, _, _ := strings.Cut(other, ":"); !strings.HasPrefix(c.settings, key+":") {
				text += other + "\n"
			}
		}
		put(t, config, []byte(text))
		t.Run(name, func(t *testing.T) { requireRefusal(t, aimsd(t, "run", "-c", config), c.words...) })
	}
}

func TestADaemonThatIsStoppedWhileItStartsHasNotFailed(t *testing.T) {
	s := newSite(t, "")
	c := exec.CommandContext(t.Context(), program.exe, "run", "-c", s.config())
	c.Env = environment()
	var said bytes.Buffer
	c.Stderr = &said
	require.NoError(t, c.Start())
	eventually(t, "it opens its store, the first thing it does", func() bool {
		_, err := os.Stat(filepath.Join(s.data, reporting.StoreFile))
		return err == nil
	})
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait(), said.String())
}

func TestASecondDaemonOnTheSameDataIsRefused(t *testing.T) {
	s := newSite(t, "")
	d := s.start()
	requireRefusal(t, aimsd(t, "run", "-c", s.config()), s.data, "in use by process", "stop it")
	require.False(t, d.gone())
	require.Zero(t, d.stop())
	require.Zero(t, s.start().stop(), "a start right after a stop")
}
