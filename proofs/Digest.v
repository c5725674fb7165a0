(** The digests that a file of theorems prints: of the text of the certificate's graph, and
    of arrays, as the bytes that the numbers of the theorem's own graph have in a format of
    IEEE-754. No theorem uses this file; it is for comparing a theorem with a certificate. *)
From Coq Require Import ZArith List Bool Uint63 String.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Sha256.
Import ListNotations.
Open Scope Z_scope.

Definition of_text (text : string) : string := hex (sha256 (bytes_of text)).

(** ** Binary formats: bits of the fraction and of the exponent *)
Record format := { fraction : Z; exponent : Z }.
Definition binary16 := {| fraction := 10; exponent := 5 |}.
Definition binary32 := {| fraction := 23; exponent := 8 |}.
Definition binary64 := {| fraction := 52; exponent := 11 |}.
(** The pattern of m * 2^e; that of no number if the format does not have it. Zero has
    the sign +. *)
Definition pattern (f : format) (e m : Z) : Z :=
  let least := 2 - 2 ^ (exponent f - 1) - fraction f in
  let q := Z.max (Z.log2 (Z.abs m) + e - fraction f) least in
  let units := Z.shiftl (Z.abs m) (e - q) in
  let field := units + Z.shiftl (q - least) (fraction f) in
  let fits := (Z.shiftl units (q - e) =? Z.abs m) || (e - q >=? 0) in
  if m =? 0 then 0
  else if fits && (field <? Z.shiftl (2 ^ exponent f - 1) (fraction f))
  then (if m <? 0 then 2 ^ (fraction f + exponent f) else 0) + field
  else 2 ^ (fraction f + exponent f) - 1.
(** The last byte first, as arrays of a certificate have them. *)
Fixpoint bytes (count : nat) (x : Z) : list int :=
  match count with
  | O => []
  | S count' => of_Z (Z.land x 255) :: bytes count' (Z.shiftr x 8)
  end.
Definition of_numbers (f : format) (numbers : list (Z * Z)) : string :=
  let width := Z.to_nat ((fraction f + exponent f + 1) / 8) in
  hex (sha256 (flat_map (fun '(e, m) => bytes width (pattern f e m)) numbers)).
Definition units (e : Z) (ms : list Z) : list (Z * Z) := map (fun m => (e, m)) ms.
Definition of_block (b : block) : list (Z * Z) := units (fst b) (map BigZ.to_Z (snd b)).

(** ** Numbers of a graph *)
Definition of_node (k : nat) (g : graph) : affine :=
  match nth k g (Affine zero) with Affine a | Max a _ | Curve _ _ a => a end.
(** The bias of the node with k nodes behind it. *)
Definition biases (k : nat) (g : graph) : list (Z * Z) := of_block (bias (of_node k g)).
(** The matrix behind its operand (the sum of those of all terms): the rows one behind the
    other, each filled up with zeros (for factors, the factors alone); or the columns. *)
Definition row_of (columns : nat) (r : row) : list Z :=
  let w := match r with
           | Full w => map BigZ.to_Z w
           | Gaps w => flat_map
               (fun '(zeros, m) => repeat 0 zeros ++ [BigZ.to_Z m]) w
           end in
  w ++ repeat 0 (columns - List.length w).
Definition rows := (Z * list (list Z))%type.
Definition rows_of (columns : nat) (M : matrix) : rows :=
  match M with
  | Rows e rs => (e, map (row_of columns) rs)
  | Times b => (fst b, [map BigZ.to_Z (snd b)])
  | Same => (0, [])
  end.
Definition sum_rows (x y : rows) : rows :=
  let '((e, r), (f, s)) := (x, y) in
  let u := Z.min e f in
  let add '(a, b) := Z.shiftl a (e - u) + Z.shiftl b (f - u) in
  match s with
  | [] => x
  | _ => (u, map (fun '(a, b) => map add (combine a b)) (combine r s))
  end.
Definition matrix_of (columns k : nat) (g : graph) : rows :=
  fold_right (fun t sum => sum_rows (rows_of columns (snd t)) sum) (0, [])
    (terms (of_node k g)).
Definition by_rows (columns k : nat) (g : graph) : list (Z * Z) :=
  let '(e, r) := matrix_of columns k g in units e (List.concat r).
Definition by_columns (columns k : nat) (g : graph) : list (Z * Z) :=
  let '(e, r) := matrix_of columns k g in
  let join a rest := map (fun '(m, c) => m :: c) (combine a rest) in
  units e (List.concat (fold_right join (repeat [] columns) r)).

(** ** Numbers of a box (of the input with k behind it), and of a conjunction of rows, whose
    constants are the offsets with the other sign *)
Definition side_of (k : nat) (b : box) : block * block := nth k b ((0, []), (0, [])).
Definition lower (k : nat) (b : box) : list (Z * Z) := of_block (fst (side_of k b)).
Definition upper (k : nat) (b : box) : list (Z * Z) := of_block (snd (side_of k b)).
Definition forms (p : property) : list form :=
  let parts := match p with All ps => ps | _ => [] end in
  flat_map (fun q => match q with Row f => [f] | _ => [] end) parts.
Definition rows_of_property (p : property) : list (Z * Z) :=
  flat_map (fun f => flat_map of_block (coefficients f)) (forms p).
Definition offsets (p : property) : list (Z * Z) :=
  map (fun f => (fst (constant f), - BigZ.to_Z (snd (constant f)))) (forms p).
