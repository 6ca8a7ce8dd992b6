package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// finding is one line of aimsd check.
type finding struct{ status, name, text string }

func fine(name, format string, args ...any) finding {
	return finding{"ok", name, fmt.Sprintf(format, args...)}
}

func note(name, format string, args ...any) finding {
	return finding{"note", name, fmt.Sprintf(format, args...)}
}

func fault(name, format string, args ...any) finding {
	return finding{"FAULT", name, fmt.Sprintf(format, args...)}
}

// checkAll looks at everything a daemon with this configuration needs.
func checkAll(ctx context.Context, c Config) iter.Seq[finding] {
	return func(yield func(finding) bool) {
		checks := []func() []finding{
			func() []finding { return checkNetwork(ctx, c.Infer) },
			func() []finding { return checkStore(ctx, c.DataDir) },
			func() []finding { return checkFolders(c.folders()) },
			func() []finding { return checkBroker(ctx, c.MQTT) },
			func() []finding { return checkMilling(ctx, c) },
			func() []finding { return checkLog(c.Log) },
			func() []finding { return checkListeners(ctx, c) },
			func() []finding { return []finding{checkClock(time.Now()), checkDisk(c.DataDir, c.Disk)} },
		}
		for _, check := range checks {
			for _, f := range check() {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// checkNetwork loads the library and the model and runs it once.
func checkNetwork(ctx context.Context, c InferConfig) []finding {
	path, err := infer.FindLibrary()
	if err != nil {
		return []finding{fault("library", "%v", err)}
	}
	out := []finding{fine("library", "ONNX Runtime at %s", path)}
	start := time.Now()
	a, err := openTested(ctx, c)
	if errors.Is(err, infer.ErrNoCUDA) {
		return append(append(out, fault("gpu", "%v", err)), lacks(path)...)
	}
	if errors.Is(err, infer.ErrNoLibrary) {
		return []finding{fault("library", "%v", err)}
	}
	if err != nil {
		return append(out, fault("model", "%v", err))
	}
	defer a.Close()
	out = append(out, fine("model", "%s %s, %s, sha256 %.12s, loaded and tried in %.0f ms", a.Model.Name, a.Model.Version, a.Model.Precision, a.Model.SHA256, ms(time.Since(start))))
	return append(out, checkGPU(a, c)...)
}

// checkStore looks at the data directory without making anything that stays.
func checkStore(ctx context.Context, dir string) []finding {
	near := existing(dir)
	if info, err := os.Stat(near); err != nil || !info.IsDir() {
		return []finding{fault("data_dir", "%s is no folder; name a folder on a local disk", near)}
	}
	if name, network, err := reporting.FileSystem(near); err == nil && network {
		return []finding{fault("data_dir", "%s is on a network share (%s), where a database can be damaged; set data_dir to a local disk", dir, name)}
	}
	probe, err := os.CreateTemp(near, ".aimsd-check-*")
	if err != nil {
		return []finding{fault("data_dir", "%s cannot be written: %v; let the daemon's user write there, or name another folder", near, pathCause(err))}
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return []finding{fault("data_dir", "%v; let the daemon's user delete files there", err)}
	}
	if near != dir {
		return []finding{fine("data_dir", "%s can be made", dir)}
	}
	if _, err := os.Stat(filepath.Join(dir, reporting.StoreFile)); errors.Is(err, fs.ErrNotExist) {
		return []finding{fine("data_dir", "%s can be written; the store is not begun yet", dir)}
	}
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: dir, ReadOnly: true})
	if errors.Is(err, reporting.ErrOlderVersion) {
		return []finding{note("data_dir", "%v", err)}
	}
	if err != nil {
		return []finding{fault("data_dir", "%v", err)}
	}
	if err := store.Close(); err != nil {
		return []finding{fault("data_dir", "%v", err)}
	}
	return []finding{fine("data_dir", "%s can be written; the store can be read", dir)}
}

// existing is the nearest folder of a path that exists already.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// pathCause leaves the path out of an error that names it elsewhere.
func pathCause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func checkFolders(sources []SourceConfig) []finding {
	if len(sources) == 0 {
		return []finding{note("folders", "no sources are configured; frames can only come over gRPC")}
	}
	var out []finding
	for _, s := range sources {
		name := "folder " + s.Name
		entries, err := os.ReadDir(s.Path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			out = append(out, fault(name, "%s does not exist; create it or correct the path", s.Path))
		case err != nil:
			out = append(out, fault(name, "%v; let the daemon's user read it", err))
		default:
			out = append(out, fine(name, "%s can be read, %d entries", s.Path, len(entries)))
		}
	}
	return out
}

// checkLog looks whether the log can be kept, without beginning it.
func checkLog(c LogConfig) []finding {
	if c.File == "" {
		return nil
	}
	near := existing(filepath.Dir(c.File))
	if info, err := os.Stat(near); err != nil || !info.IsDir() {
		return []finding{fault("log", "log.file: %s is no folder; name a file in another one", near)}
	}
	probe, err := os.CreateTemp(near, ".aimsd-check-*")
	if err != nil {
		return []finding{fault("log", "log.file: %s cannot be written: %v; let the daemon's user write there, or name another file", near, pathCause(err))}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return []finding{fine("log", "%s can be written", c.File)}
}

// checkBroker connects to the broker with the daemon's credentials and leaves again.
func checkBroker(ctx context.Context, c MQTTConfig) []finding {
	if c.URL == "" {
		return []finding{note("broker", "no mqtt.url is configured; nothing is published")}
	}
	topics, err := reporting.NewTopics("check", "check")
	if err != nil {
		return []finding{fault("broker", "%v", err)}
	}
	p := reporting.Publisher{
		URL: c.URL, Username: c.Username, PasswordFile: c.PasswordFile, Topics: topics,
		TLS: reporting.TLSFiles{CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, ServerName: c.TLS.ServerName},
	}
	if err := p.Probe(ctx); err != nil {
		return []finding{fault("broker", "%v", err)}
	}
	shown := c.URL
	if u, err := url.Parse(c.URL); err == nil {
		shown = u.Redacted()
	}
	return []finding{fine("broker", "%s accepts the connection", shown)}
}

// checkListeners opens the listeners as the daemon does, and closes them.
func checkListeners(ctx context.Context, c Config) []finding {
	return []finding{
		checkListener("grpc", c.GRPC.Listen, c.GRPC.TLS, c.GRPC.TokenFile, func() (io.Closer, error) {
			l, err := grpcListener(c.GRPC)
			if err != nil {
				return nil, err
			}
			return l, l.Open(ctx)
		}),
		checkListener("http", c.HTTP.Listen, c.HTTP.TLS, c.HTTP.TokenFile, func() (io.Closer, error) {
			h, err := httpListener(c.HTTP)
			if err != nil {
				return nil, err
			}
			err = h.Open(ctx)
			return h.listener, err
		}),
	}
}

func checkListener(name, address string, files ServerTLS, tokenFile string, open func() (io.Closer, error)) finding {
	if address == "" {
		return note(name, "switched off")
	}
	l, err := open()
	inUse := addressInUse(err)
	if err != nil && !inUse {
		return fault(name, "%v", err)
	}
	if !inUse {
		_ = l.Close()
	}
	if f, ok := checkCertificate(name, files, time.Now()); ok {
		return f
	}
	host, _, _ := net.SplitHostPort(address) // it was listened on
	switch {
	case inUse:
		return note(name, "%s is in use: by the running daemon? If not, choose another port", address)
	case tokenFile != "" && files.CertFile == "" && !stream.IsLoopback(host):
		return note(name, "%s is free; its token travels in plain text: configure %s.tls as well", address, name)
	}
	return fine(name, "%s is free", address)
}

// checkCertificate finds a listener's certificate that is over, or soon will be.
func checkCertificate(name string, files ServerTLS, now time.Time) (finding, bool) {
	const soon = 30 * 24 * time.Hour
	if files.CertFile == "" {
		return finding{}, false
	}
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil || pair.Leaf == nil {
		return finding{}, false // opening the listener has said it
	}
	end := pair.Leaf.NotAfter
	switch {
	case now.After(end) || now.Before(pair.Leaf.NotBefore):
		return fault(name, "the certificate %s holds from %s to %s; have it renewed, or set the clock", files.CertFile,
			pair.Leaf.NotBefore.Format(time.DateOnly), end.Format(time.DateOnly)), true
	case now.Add(soon).After(end):
		return note(name, "the certificate %s ends on %s; have it renewed", files.CertFile, end.Format(time.DateOnly)), true
	}
	return finding{}, false
}

// checkClock finds a clock that was never set; message and report times depend on it.
func checkClock(now time.Time) finding {
	if now.Year() < 2025 {
		return fault("clock", "says %s; set it, best by NTP", now.Format(time.RFC3339))
	}
	if synced, known := clockSynced(); known && !synced {
		return note("clock", "%s, not synchronised; NTP would keep message times comparable", now.UTC().Format(time.RFC3339))
	}
	return fine("clock", "%s", now.UTC().Format(time.RFC3339))
}

// checkDisk wants room for results where the data directory lies, at least what the daemon wants.
func checkDisk(dir string, c DiskConfig) finding {
	const ample = 10 << 30
	dir = existing(dir) // the folder itself may not exist yet
	free, err := diskFree(dir)
	if err != nil {
		return note("disk", "free space at %s is unknown: %v", dir, err)
	}
	gib := float64(free) / (1 << 30)
	switch {
	case free < uint64(c.FullMB)<<20:
		return fault("disk", "%.2f GiB free at %s, less than disk.full_mb: no frames would be taken; make room", gib, dir)
	case free < uint64(c.LowMB)<<20:
		return note("disk", "%.2f GiB free at %s, less than disk.low_mb: no overlays would be written; make room", gib, dir)
	case free < ample:
		return note("disk", "%.1f GiB free at %s; an 8K frame's results take up to 100 MB", gib, dir)
	}
	return fine("disk", "%.0f GiB free at %s", gib, dir)
}
