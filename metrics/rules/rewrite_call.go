package rules

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// mathNames are functions of numbers alone: min and max of two or more, the others of one.
func mathNames() []string {
	return []string{"abs", "ceil", "floor", "round", "sqrt", "log", fnMin, fnMax}
}

const definedName = "defined"

// functionNames are all that an expression can call.
func functionNames() []string {
	names := []string{definedName}
	for _, f := range functions() {
		names = append(names, f.name)
	}
	return append(names, mathNames()...)
}

func (r *rewriter) call(n *ast.CallNode) (ast.Node, kind, error) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return nil, 0, refuse(n, "this cannot be called: use %s", strings.Join(functionNames(), ", "))
	}
	switch callee.Value {
	case definedName:
		return r.defined(n)
	case fnMin, fnMax:
		return r.extreme(n, callee.Value)
	}
	for _, f := range functions() {
		if f.name == callee.Value {
			return r.past(n, f)
		}
	}
	for _, name := range mathNames() {
		if name == callee.Value {
			return r.math(n, name)
		}
	}
	return nil, 0, refused(n, unknown("function", callee.Value, functionNames(), functionNames()))
}

// past is a call of a function that looks back: its arguments are known when the rule is read.
func (r *rewriter) past(n *ast.CallNode, f function) (ast.Node, kind, error) {
	text, frames := "", 0
	switch {
	case f.of == ofNone && len(n.Arguments) == 0:
	case f.of != ofNone && len(n.Arguments) == 2:
		name, isText := n.Arguments[0].(*ast.StringNode)
		window, isNumber := n.Arguments[1].(*ast.IntegerNode)
		if !isText || !isNumber {
			return nil, 0, refuse(n, "%s takes "+f.of, f.name, f.name)
		}
		text, frames = name.Value, window.Value
		if frames < f.least || frames > maxWindow {
			return nil, 0, refuse(n, "%s over %d frames: use %d to %d", f.name, frames, f.least, maxWindow)
		}
	default:
		return nil, 0, refuse(n, "%s takes "+f.of, f.name, f.name)
	}
	i, err := r.table.call(f, text, frames)
	if err != nil {
		return nil, 0, refused(n, err)
	}
	return invoke(n, fnPast, place(i)), number, nil
}

func (r *rewriter) defined(n *ast.CallNode) (ast.Node, kind, error) {
	if len(n.Arguments) == 1 {
		if name, ok := n.Arguments[0].(*ast.StringNode); ok {
			i, err := r.table.number("name", name.Value)
			if err != nil {
				return nil, 0, refused(n, err)
			}
			return invoke(n, fnKnown, place(i)), boolean, nil
		}
	}
	return nil, 0, refuse(n, `%s takes the name of a number in quotes, such as %[1]s("nm_per_px")`, definedName)
}

func (r *rewriter) math(n *ast.CallNode, name string) (ast.Node, kind, error) {
	if len(n.Arguments) != 1 {
		return nil, 0, refuse(n, "%s takes one number", name)
	}
	x, err := r.want(n.Arguments[0], number)
	if err != nil {
		return nil, 0, err
	}
	return invoke(n, fnFinite, invoke(n, name, x)), number, nil
}

// extreme is min or max of two or more.
func (r *rewriter) extreme(n *ast.CallNode, name string) (ast.Node, kind, error) {
	if len(n.Arguments) < 2 {
		return nil, 0, refuse(n, "%s takes two or more numbers; over frames it is %[1]s_of", name)
	}
	var all ast.Node
	for _, arg := range n.Arguments {
		x, err := r.want(arg, number)
		if err != nil {
			return nil, 0, err
		}
		if all != nil {
			x = invoke(n, name, all, x)
		}
		all = x
	}
	return invoke(n, fnFinite, all), number, nil
}
