(** The associative scan of a linear recurrence equals the recurrence: for x' = a x + b,
    steps compose to one step (a, b), and any tree of compositions gives the same state.

    `tl.equivalent` checks instances of this on the jaxprs of scans. *)
From Coq Require Import Reals Lra List.
Import ListNotations.
Open Scope R_scope.

Definition linear := (R * R)%type.
Definition step (s : linear) (x : R) : R := fst s * x + snd s.
(** First p, then q. *)
Definition compose (p q : linear) : linear := (fst q * fst p, fst q * snd p + snd q).
Definition recurrence (steps : list linear) (x : R) : R :=
  fold_left (fun y s => step s y) steps x.

(** Any way to bracket the steps. *)
Inductive tree := Leaf (s : linear) | Branch (first second : tree).
Fixpoint leaves (t : tree) : list linear :=
  match t with Leaf s => [s] | Branch p q => leaves p ++ leaves q end.
Fixpoint combined (t : tree) : linear :=
  match t with Leaf s => s | Branch p q => compose (combined p) (combined q) end.

Lemma compose_step p q x : step (compose p q) x = step q (step p x).
Proof. unfold step, compose; simpl; ring. Qed.
Lemma compose_assoc p q r : compose (compose p q) r = compose p (compose q r).
Proof. unfold compose; simpl; f_equal; ring. Qed.

Theorem scan_is_recurrence t x : step (combined t) x = recurrence (leaves t) x.
Proof.
  revert x; induction t as [s | p IHp q IHq]; intros x; [reflexivity |].
  simpl combined; rewrite compose_step, IHp, IHq; unfold recurrence; simpl.
  rewrite fold_left_app; reflexivity.
Qed.
Print Assumptions scan_is_recurrence.
