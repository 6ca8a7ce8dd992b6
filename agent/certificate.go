package agent

import (
	"crypto/tls"
	"os"
	"sync"
	"time"
)

// certificateFile is a listener's certificate, read again when its files change: certificates are renewed
// several times a year, and a daemon is not restarted for that.
type certificateFile struct {
	Cert, Key string // paths, PEM

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files the pair was read from
}

// get is for tls.Config.GetCertificate. Files that do not belong together yet leave the old pair in use.
func (c *certificateFile) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var now [2]time.Time
	for i, path := range []string{c.Cert, c.Key} {
		if info, err := os.Stat(path); err == nil {
			now[i] = info.ModTime()
		}
	}
	if c.pair != nil && now == c.changed {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		if c.pair != nil {
			return c.pair, nil
		}
		return nil, err
	}
	c.pair, c.changed = &pair, now
	return c.pair, nil
}
