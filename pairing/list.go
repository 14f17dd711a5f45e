package pairing

import "time"

// list is a list that runs through its members: each has a [node] for each list
// that it may be in, so that joining and leaving are O(1) and allocate nothing. The
// zero value is empty.
type list[T any] struct {
	head, tail *node[T]
	n          int
}

// node is its owner's place in a list, one at a time. The owner must be set.
type node[T any] struct {
	owner      T
	in         *list[T] // nil: in none
	prev, next *node[T]
	since      time.Duration // of an expiry: when it was put in
}

func (l *list[T]) pushBack(x *node[T]) { l.insert(x, l.tail) }

// insert puts x, which is in no list, behind after, or first when after is nil.
func (l *list[T]) insert(x, after *node[T]) {
	x.in, x.prev = l, after
	if after == nil {
		x.next, l.head = l.head, x
	} else {
		x.next, after.next = after.next, x
	}
	if x.next == nil {
		l.tail = x
	} else {
		x.next.prev = x
	}
	l.n++
}

// leave takes x out of the list that it is in, if any.
func (x *node[T]) leave() {
	l := x.in
	if l == nil {
		return
	}
	if x.prev == nil {
		l.head = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		l.tail = x.prev
	} else {
		x.next.prev = x.prev
	}
	x.in, x.prev, x.next = nil, nil, nil
	l.n--
}

// first is the owner at the head, the zero value when the list is empty.
func (l *list[T]) first() (owner T) {
	if l.head != nil {
		return l.head.owner
	}
	return owner
}
