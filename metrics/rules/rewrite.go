package rules

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// kind is what a part of an expression gives.
type kind int

const (
	number kind = iota
	boolean
)

func (k kind) String() string {
	if k == boolean {
		return "true or false"
	}
	return "a number"
}

// imageQuality is the list of a frame's flags.
const imageQuality = "image_quality"

// rewriter makes the tree that is compiled of the one that was read. It lets pass only what rules may say, with the
// right kinds, so that what is compiled has numbers, truth values and calls of our functions only. It never changes a
// node: expr's parser uses one twice for a < b < c.
type rewriter struct {
	table *table
	nodes int // so far; one that is used twice counts twice
}

func (r *rewriter) rewrite(n ast.Node) (ast.Node, kind, error) {
	if r.nodes++; r.nodes > 2*maxNodes {
		return nil, 0, refuse(n, "too long an expression: split it into several rules")
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return at(n, &ast.FloatNode{Value: float64(n.Value)}), number, nil
	case *ast.FloatNode:
		return at(n, &ast.FloatNode{Value: n.Value}), number, nil
	case *ast.BoolNode:
		return at(n, &ast.BoolNode{Value: n.Value}), boolean, nil
	case *ast.IdentifierNode:
		if n.Value == imageQuality {
			return nil, 0, refuse(n, `%s is a list of flags: write "blurred" in %[1]s`, imageQuality)
		}
		return r.name(n, n.Value)
	case *ast.MemberNode:
		if isMember(n) {
			return r.name(n.Node, memberName(n))
		}
	case *ast.UnaryNode:
		return r.unary(n)
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.ConditionalNode:
		return r.conditional(n)
	case *ast.CallNode:
		return r.call(n)
	case *ast.BuiltinNode:
		return nil, 0, refused(n, unknown("function", n.Name, functionNames(), functionNames()))
	case *ast.StringNode:
		return nil, 0, refuse(n, `text %q: it is used in %s("ecd_nm.p50", 10) and "blurred" in %s only`, clip(n.Value), "mean", imageQuality)
	}
	return nil, 0, refuse(n, "rules have numbers, names, + - * / **, comparisons, and, or, not, in, ? : and functions only")
}

// want rewrites a part that must be of a kind.
func (r *rewriter) want(n ast.Node, k kind) (ast.Node, error) {
	out, got, err := r.rewrite(n)
	if err == nil && got != k {
		err = refuse(n, "this is %s: %s is needed here", got, k)
	}
	return out, err
}

func (r *rewriter) name(n ast.Node, name string) (ast.Node, kind, error) {
	i, err := r.table.number("name", name)
	if err != nil {
		return nil, 0, refused(n, err)
	}
	return invoke(n, fnRead, place(i)), number, nil
}

func (r *rewriter) unary(n *ast.UnaryNode) (ast.Node, kind, error) {
	k := number
	if n.Operator == "not" || n.Operator == "!" {
		k = boolean
	}
	inner, err := r.want(n.Node, k)
	if err != nil {
		return nil, 0, err
	}
	return at(n, &ast.UnaryNode{Operator: n.Operator, Node: inner}), k, nil
}

func (r *rewriter) binary(n *ast.BinaryNode) (ast.Node, kind, error) {
	in, out := number, boolean
	switch n.Operator {
	case "and", "&&", "or", "||":
		in = boolean
	case "<", "<=", ">", ">=", "==", "!=":
	case "+", "-", "*", "/", "**", "^":
		out = number
	case "in":
		return r.in(n)
	default:
		return nil, 0, refuse(n, "operator %s: use + - * / ** < <= > >= == != and, or, not, in", clip(n.Operator))
	}
	left, got, err := r.rewrite(n.Left)
	if equal := n.Operator == "==" || n.Operator == "!="; equal {
		in = got
	}
	if err == nil && got != in {
		err = refuse(n.Left, "this is %s: %s is needed here", got, in)
	}
	if err != nil {
		return nil, 0, err
	}
	right, err := r.want(n.Right, in)
	if err != nil {
		return nil, 0, err
	}
	made := at(n, &ast.BinaryNode{Operator: n.Operator, Left: left, Right: right})
	if out == number {
		made = invoke(n, fnFinite, made)
	}
	return made, out, nil
}

// in is "flag" in image_quality.
func (r *rewriter) in(n *ast.BinaryNode) (ast.Node, kind, error) {
	flag, isText := n.Left.(*ast.StringNode)
	list, isName := n.Right.(*ast.IdentifierNode)
	if !isText || !isName || list.Value != imageQuality {
		return nil, 0, refuse(n, `in: write "blurred" in %s`, imageQuality)
	}
	i, err := r.table.flag(flag.Value)
	if err != nil {
		return nil, 0, refused(n, err)
	}
	return invoke(n, fnFlag, place(i)), boolean, nil
}

func (r *rewriter) conditional(n *ast.ConditionalNode) (ast.Node, kind, error) {
	cond, err := r.want(n.Cond, boolean)
	if err != nil {
		return nil, 0, err
	}
	then, k, err := r.rewrite(n.Exp1)
	if err != nil {
		return nil, 0, err
	}
	other, err := r.want(n.Exp2, k)
	if err != nil {
		return nil, 0, err
	}
	return at(n, &ast.ConditionalNode{Ternary: true, Cond: cond, Exp1: then, Exp2: other}), k, nil
}

// isMember reports whether a node is GROUP.NAME.
func isMember(n ast.Node) bool { return memberName(n) != "" }

func memberName(n ast.Node) string {
	m, ok := n.(*ast.MemberNode)
	if !ok || m.Optional {
		return ""
	}
	group, isName := m.Node.(*ast.IdentifierNode)
	property, isText := m.Property.(*ast.StringNode)
	if !isName || !isText {
		return ""
	}
	return group.Value + "." + property.Value
}

// at gives a node the place of the one it stands for.
func at(old, made ast.Node) ast.Node {
	made.SetLocation(old.Location())
	return made
}

func invoke(old ast.Node, name string, args ...ast.Node) ast.Node {
	return at(old, &ast.CallNode{Callee: at(old, &ast.IdentifierNode{Value: name}), Arguments: args})
}

func place(i int) ast.Node { return &ast.IntegerNode{Value: i} }

// refuse is the error about a node, with its place.
func refuse(n ast.Node, format string, args ...any) error {
	return refused(n, fmt.Errorf(format, args...))
}

func refused(n ast.Node, err error) error {
	var where file.Location
	if n != nil {
		where = n.Location()
	}
	return fmt.Errorf("character %d: %s", where.From+1, strings.ReplaceAll(err.Error(), "\n", " "))
}
