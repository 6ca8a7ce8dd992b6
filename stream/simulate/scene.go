package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scene renders frames. Frame(ctx, i) is deterministic in the scene's fields and i, and safe for concurrent use.
type Scene interface {
	// Name is the scene's word on the command line, e.g. "particles".
	Name() string
	// Frame renders frame index (from 1 by convention). It fails on fields out of range or when ctx ends.
	Frame(ctx context.Context, index int) (*Frame, error)
}

// Frame is one simulated micrograph with its truth. Exactly one of Gray8 and Gray16 is set; pixels and labels
// are row-major with a stride of Width and cover the whole file, information panel included.
type Frame struct {
	Name          string // base name without extension, e.g. "sim_particles_s42_00001"
	Width, Height int    // px
	ImageRows     int    // rows above the information panel
	Gray8         []uint8
	Gray16        []uint16
	Labels        []int32 // 0 background and panel, 1..Truth.Objects, each one 4-connected region; milling: 1 where milled
	Truth         Truth
	Header        string // the vendor's text for TIFF tag 34682
}

// Size limits of a simulated frame in px. The lower one leaves room for the panel, the upper one bounds memory.
const (
	MinSide = 128
	MaxSide = 16384
)

// SceneNames lists what New knows.
func SceneNames() []string { return []string{"particles", "milling"} }

// New returns the named scene with its defaults for frames of width x height px.
func New(name string, width, height int, seed uint64) (Scene, error) {
	if !slices.Contains(SceneNames(), name) {
		return nil, fmt.Errorf("scene %q: not known; use one of: %s", name, strings.Join(SceneNames(), ", "))
	}
	if name == "milling" {
		m := &Milling{Width: width, Height: height, Seed: seed}
		return m, m.Validate()
	}
	p := &Particles{Width: width, Height: height, Seed: seed}
	return p, p.Validate()
}

// frameName names a frame after its scene, seed and index.
func frameName(scene string, seed uint64, index int) string {
	return fmt.Sprintf("sim_%s_s%d_%05d", scene, seed, index)
}
