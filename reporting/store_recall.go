package reporting

import (
	"context"
	"fmt"
)

// Recall reports whether the journal has a final frame of the source whose key begins with prefix. It
// spares a source reading files it has long done.
func (s *Store) Recall(ctx context.Context, source, prefix string) (bool, error) {
	var known bool
	// a range rather than LIKE: keys hold % and _, and the range uses the index
	err := s.reader.QueryRowContext(ctx, `SELECT EXISTS(SELECT 1 FROM frames
		WHERE source = ? AND key >= ? AND key < ? AND state <> 'accepted')`, source, prefix, prefix+"\U0010FFFF").Scan(&known)
	if err != nil {
		return false, fmt.Errorf("look up %s in the journal: %w", source, err)
	}
	return known, nil
}
