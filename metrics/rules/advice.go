package rules

import (
	"slices"
)

// Advised is an active rule with an advice.
type Advised struct{ Code, Advice string }

// Advices returns what the active rules of a source advise, in the rules' order.
func (s *Set) Advices(source string) []Advised {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Advised
	for i := range s.rules {
		r := &s.rules[i]
		if st := s.states[alertKey{r.Code, source}]; r.Advice != "" && st != nil && st.Active {
			list = append(list, Advised{r.Code, r.Advice})
		}
	}
	return slices.Clip(list)
}
