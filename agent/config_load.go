package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/infer/models"
)

// maxConfigBytes is more than any configuration has.
const maxConfigBytes = 1 << 20

// readAtMost reads a file that is no longer than limit.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes and is no configuration", path, limit)
	}
	return data, nil
}

// LoadConfig reads a configuration file, applies AIMSD_... environment variables and checks it. Relative
// paths are taken from the file's folder.
func LoadConfig(path string, environ []string) (Config, error) {
	data, err := readAtMost(path, maxConfigBytes)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w; give its path with -c", err)
	}
	c, err := ParseConfig(data, environ)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path)) // messages name folders to others
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c.DataDir = underDir(dir, c.DataDir)
	c.MQTT.PasswordFile = underDir(dir, c.MQTT.PasswordFile)
	c.GRPC.TokenFile = underDir(dir, c.GRPC.TokenFile)
	c.HTTP.TokenFile = underDir(dir, c.HTTP.TokenFile)
	c.Log.File = underDir(dir, c.Log.File)
	for _, file := range []*string{
		&c.HTTP.TLS.CertFile, &c.HTTP.TLS.KeyFile, &c.HTTP.TLS.ClientCAFile,
		&c.GRPC.TLS.CertFile, &c.GRPC.TLS.KeyFile, &c.GRPC.TLS.ClientCAFile,
		&c.MQTT.TLS.CAFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile,
	} {
		*file = underDir(dir, *file)
	}
	for i := range c.Sources {
		c.Sources[i].Path = underDir(dir, c.Sources[i].Path)
		if within(c.DataDir, c.Sources[i].Path) {
			return Config{}, fmt.Errorf("configuration %s: source %s watches %s inside data_dir %s, where aimsd writes; move one of them",
				path, c.Sources[i].Name, c.Sources[i].Path, c.DataDir)
		}
	}
	if !models.Embedded(c.Infer.Model) {
		c.Infer.Model = underDir(dir, c.Infer.Model)
	}
	return c, nil
}

// ParseConfig is LoadConfig without files.
func ParseConfig(data []byte, environ []string) (Config, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Config{}, err
	}
	if err := overrideFromEnv(&root, environ); err != nil {
		return Config{}, err
	}
	c := DefaultConfig()
	if root.Kind == 0 {
		return c, errors.New("is empty; start from configs/aimsd.yaml")
	}
	if err := knownKeys(root.Content[0], c, ""); err != nil {
		return Config{}, err
	}
	if err := root.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, oneLine(err)
	}
	return c, c.validate()
}

// oneLine folds yaml's list of errors into one line.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// within reports whether path is dir or lies in it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func underDir(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
