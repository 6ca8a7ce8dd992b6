package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logFileMode lets the daemon's group read the log.
const logFileMode = 0o640

// logger is the daemon's log: to stderr, or to a file that is replaced when it is full.
type logger struct {
	*zap.Logger
	level zap.AtomicLevel
	file  io.Closer // nil: stderr
}

// newLogger logs JSON for machines or lines for people.
func newLogger(c LogConfig) (*logger, error) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc := zapcore.NewJSONEncoder(encoder)
	if c.Format == "console" {
		encoder.EncodeLevel = zapcore.CapitalLevelEncoder
		enc = zapcore.NewConsoleEncoder(encoder)
	}
	l := &logger{level: level}
	out := zapcore.Lock(os.Stderr)
	if c.File != "" {
		if err := writable(c.File); err != nil {
			return nil, err
		}
		file := &timberjack.Logger{
			Filename: c.File, MaxSize: c.MaxSizeMB, MaxBackups: c.Keep, Compression: "gzip", FileMode: logFileMode,
		}
		l.file, out = file, zapcore.AddSync(file)
	}
	l.Logger = zap.New(zapcore.NewCore(enc, out, level))
	return l, nil
}

// writable reports whether a log can be kept at path; nothing is left behind but the folder.
func writable(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("log.file: %w; let aimsd's user write there, or name another file", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, logFileMode)
	if err != nil {
		return fmt.Errorf("log.file: %w; let aimsd's user write there, or name another file", err)
	}
	return f.Close()
}

// setLevel changes what is logged from now on; the configuration has checked the level.
func (l *logger) setLevel(level string) {
	if to, err := zapcore.ParseLevel(level); err == nil {
		l.level.SetLevel(to)
	}
}

// Close writes what is left and closes the file.
func (l *logger) Close() error {
	_ = l.Sync() // stderr cannot be synced
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
