package agent

import (
	"maps"
	"slices"
	"sync"
)

// concerns are what is wrong without keeping the daemon from its work; readiness names them.
type concerns struct {
	mu sync.Mutex
	of map[string]error
}

// set notes what is wrong with a part; nil ends it.
func (c *concerns) set(part string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.of, part)
		return
	}
	if c.of == nil {
		c.of = map[string]error{}
	}
	c.of[part] = err
}

// parts are the concerns there are, for readiness.
func (c *concerns) parts() []part {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		err := c.of[name]
		parts = append(parts, part{Name: name, Degrades: true, Ready: func() error { return err }})
	}
	return parts
}
