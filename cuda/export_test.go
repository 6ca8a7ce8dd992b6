package cuda

// For tests outside the package, which may import hostemu.
var (
	Reference = reference
	Discs     = discs
)
