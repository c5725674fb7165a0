(** Vectors of reals: sums, products and entries. *)
From Coq Require Import Reals Lra List.
From TorchLean Require Import Graph.
Import ListNotations.
Open Scope R_scope.

Definition first (x : list R) : R := hd 0 x.

Lemma dot_nil_r c : dot c [] = 0.
Proof. destruct c; reflexivity. Qed.
Lemma dot_cons a c x : dot (a :: c) x = a * first x + dot c (tl x).
Proof. destruct x; simpl; [rewrite dot_nil_r; ring | reflexivity]. Qed.
Lemma dot_zeros n x : dot (repeat 0 n) x = 0.
Proof.
  revert x; induction n as [| n IH]; intros x; [reflexivity |].
  simpl repeat; rewrite dot_cons, IH; ring.
Qed.
Lemma dot_plus_l c d x : dot (plus c d) x = dot c x + dot d x.
Proof.
  revert d x; induction c as [| a c IH]; intros [| b d] x; simpl plus.
  - simpl; ring.
  - simpl dot at 2; ring.
  - rewrite Rplus_comm; simpl dot at 2; ring.
  - rewrite !dot_cons, IH; ring.
Qed.
Lemma dot_plus_r c x y : dot c (plus x y) = dot c x + dot c y.
Proof.
  revert x y; induction c as [| a c IH]; intros x y; [simpl; ring |].
  destruct x as [| v x], y as [| w y]; simpl plus; rewrite ?dot_nil_r; try ring.
  simpl; rewrite IH; ring.
Qed.
Lemma dot_times c d x : dot (times c d) x = dot c (times d x).
Proof.
  revert d x; induction c as [| a c IH]; intros [| b d] x; simpl; try reflexivity.
  destruct x as [| v x]; [reflexivity |]; simpl; rewrite IH; ring.
Qed.
Lemma dot_scale a c x : dot (map (Rmult a) c) x = a * dot c x.
Proof.
  revert x; induction c as [| b c IH]; intros [| v x]; simpl; try ring; rewrite IH; ring.
Qed.
Lemma dot_app_zeros n c x : dot (repeat 0 n ++ c) x = dot c (skipn n x).
Proof.
  revert x; induction n as [| n IH]; intros x; [reflexivity |].
  simpl app; rewrite dot_cons, IH, Rmult_0_l, Rplus_0_l.
  destruct x; simpl; rewrite ?skipn_nil; reflexivity.
Qed.

Lemma first_larger x y : first (larger x y) = Rmax (first x) (first y).
Proof.
  destruct x as [| a x], y as [| b y]; unfold first; simpl; try reflexivity.
  rewrite Rmax_left; lra.
Qed.
Lemma tl_larger x y : tl (larger x y) = larger (tl x) (tl y).
Proof.
  destruct x as [| a x], y as [| b y]; simpl; try reflexivity.
  destruct x; reflexivity.
Qed.
Lemma first_skipn k x : first (skipn k x) = nth k x 0.
Proof.
  revert x; induction k as [| k IH]; intros [| a x]; simpl; try reflexivity; apply IH.
Qed.
Lemma tl_skipn {A} k (x : list A) : tl (skipn k x) = skipn (S k) x.
Proof.
  revert x; induction k as [| k IH]; intros [| a x]; try reflexivity.
  simpl skipn at 1; rewrite IH; destruct x; reflexivity.
Qed.

Lemma total_nil_r cs : total cs [] = 0.
Proof. destruct cs; reflexivity. Qed.
Lemma reals_nil e : reals (e, []) = [].
Proof. reflexivity. Qed.
