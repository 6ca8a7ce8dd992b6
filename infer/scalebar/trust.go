package scalebar

// trust is the probability that a reading is right, from the mean probability p that the network gives it and from
// how well label and bar go together.
//
// The network's own probabilities are close to 0 or 1. How often they are right was counted on about 900 readings:
// every labelled image of EMPS and of the vendors, and the hand-checked ones again at 0.45, 0.6, 0.8 and 1.3 times
// their size with noise added.
func trust(p, score float64) float64 {
	points := [...]struct{ p, right float64 }{
		{0, 0}, {0.33, 0.5}, {0.45, 0.55}, {0.6, 0.8}, {0.7, 0.9}, {0.8, 0.95}, {0.9, 0.97}, {0.97, 0.99}, {1, 0.998},
	}
	right := points[len(points)-1].right
	for k := 1; k < len(points); k++ {
		if a, b := points[k-1], points[k]; p <= b.p {
			right = a.right + (p-a.p)/(b.p-a.p)*(b.right-a.right)
			break
		}
	}
	return right * min(1, 0.8+0.5*score)
}
