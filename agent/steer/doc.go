// Package steer acts on milling feedback: it pauses, and where that was allowed stops, the milling of a controller. It is
// off until a person arms it for one run, for a lease; it never starts or resumes anything.
//
//	frame path ──Offer──▶ newest advice ──Run──▶ Controller (state, pause, stop)
//	person ──Arm, Disarm──▶ lease           └──▶ Record (every command and its outcome)
//
// A wrong stop ruins a sample, and so does a missing pause. In doubt, therefore, nothing is stopped and milling is paused:
// a pause costs time only.
//
//   - A request goes out only while armed for the advice's run and source, within the lease and within the advice's
//     validity. Both are counted on the monotonic clock and looked at again before each retry.
//   - The state is read first. Only RUNNING is paused or stopped. When the state is ERROR or cannot be read, PAUSE and STOP
//     both pause: a beam that mills on unseen is the worse case, and a pause can be taken back. If a pause or stop of ours
//     worked before, an unknown state is left alone: it may be a person who resumed.
//   - STOP stops only if that was allowed at arming, if no newer advice says otherwise, if the state was read as RUNNING and
//     if no earlier stop may still take effect. Else it pauses, and the record says why.
//   - RUNNING after our pause or stop was seen to work: somebody resumed. That is the operator's will; the driver disarms.
//   - What a controller answers is not trusted: the state is read again until it is PAUSED, or IDLE after a stop, or the
//     command counts as failed. A failed command is the daemon's alert ACTUATION_FAILED.
//   - CONTINUE, REALIGN and ABSTAIN do nothing. They do not withdraw a pause that waits: ABSTAIN says that this frame
//     shows nothing, not that the former one was wrong. They turn a stop that waits into a pause.
//
// A controller that hears no feedback for valid_for_ms must pause by itself: this package cannot pause anything when its
// program, its machine or the network between is gone.
package steer
