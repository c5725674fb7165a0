(** Blockwise softmax attention, over the reals: what a kernel that sees one block of keys
    after another returns is masked softmax attention, whatever the length, the blocks,
    the mask, the scale and the running references; a row that is masked everywhere gives
    zero. A block is any list of keys, blocks may differ in length, and the claim is for
    one query and one entry of the values (rows and entries do not meet).

    `tl.equivalent` checks instances of this on the kernels' own jaxprs. *)
From Coq Require Import Reals Lra List.
Import ListNotations.
Open Scope R_scope.

(** A key: its score (query . key), its value, and whether the mask keeps it. *)
Record key := { score : R; val : R; keep : bool }.

Section Scale.
Variable scale : R.
Definition weight (reference : R) (k : key) : R :=
  if keep k then exp (scale * score k - reference) else 0.
Definition sum (f : key -> R) (ks : list key) : R := fold_right (fun k s => f k + s) 0 ks.
Definition quotient (top bottom : R) : R := if Req_EM_T bottom 0 then 0 else top / bottom.

(** ** The formula: softmax over the keys that are kept *)
Definition attention (ks : list key) : R :=
  quotient (sum (fun k => weight 0 k * val k) ks) (sum (weight 0) ks).

(** ** The recurrence: a reference m (any number; kernels take the running maximum), the
    sum of weights l, and the weighted sum of values a. A block is summed with a new
    reference, and what came before is rescaled. *)
Record state := { m : R; l : R; a : R }.
Definition start (m0 : R) : state := {| m := m0; l := 0; a := 0 |}.
Definition step (choose : state -> list key -> R) (s : state) (block : list key) : state :=
  let new := choose s block in
  let factor := exp (m s - new) in
  {| m := new;
     l := factor * l s + sum (weight new) block;
     a := factor * a s + sum (fun k => weight new k * val k) block |}.
Definition online (choose : state -> list key -> R) (m0 : R) (blocks : list (list key)) : R :=
  let s := fold_left (step choose) blocks (start m0) in quotient (a s) (l s).

Lemma sum_app f xs ys : sum f (xs ++ ys) = sum f xs + sum f ys.
Proof.
  unfold sum; rewrite fold_right_app; induction xs as [| x xs IH]; simpl; [ring |].
  rewrite IH; ring.
Qed.
Lemma sum_factor c f ks : sum (fun k => c * f k) ks = c * sum f ks.
Proof. induction ks as [| k ks IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma sum_ext f g ks : (forall k, f k = g k) -> sum f ks = sum g ks.
Proof. intros H; induction ks as [| k ks IH]; simpl; [reflexivity | rewrite H, IH; reflexivity]. Qed.
Lemma weight_reference r k : weight r k = exp (- r) * weight 0 k.
Proof.
  unfold weight; destruct (keep k); [| ring].
  rewrite <- exp_plus; f_equal; ring.
Qed.
Lemma sum_weight r ks : sum (weight r) ks = exp (- r) * sum (weight 0) ks.
Proof. rewrite <- sum_factor; apply sum_ext, weight_reference. Qed.
Lemma sum_weighted r ks :
  sum (fun k => weight r k * val k) ks = exp (- r) * sum (fun k => weight 0 k * val k) ks.
Proof.
  rewrite <- sum_factor; apply sum_ext; intros k; rewrite weight_reference; ring.
Qed.

(** The invariant: the state holds the sums over all keys so far, relative to m. *)
Definition holds_sums (s : state) (ks : list key) : Prop :=
  l s = exp (- m s) * sum (weight 0) ks
  /\ a s = exp (- m s) * sum (fun k => weight 0 k * val k) ks.

Lemma step_sums choose s ks block : holds_sums s ks ->
  holds_sums (step choose s block) (ks ++ block).
Proof.
  intros [Hl Ha]; unfold step, holds_sums; simpl.
  rewrite Hl, Ha, !sum_app, (sum_weight (choose s block)),
    (sum_weighted (choose s block)), <- !Rmult_assoc, <- exp_plus.
  replace (m s - choose s block + - m s) with (- choose s block) by ring; split; ring.
Qed.
Lemma blocks_sums choose blocks s ks : holds_sums s ks ->
  holds_sums (fold_left (step choose) blocks s) (ks ++ concat blocks).
Proof.
  revert s ks; induction blocks as [| b bs IH]; intros s ks H; simpl.
  - rewrite app_nil_r; exact H.
  - rewrite app_assoc; apply IH, step_sums, H.
Qed.
Lemma quotient_factor c top bottom : c <> 0 -> quotient (c * top) (c * bottom) = quotient top bottom.
Proof.
  intros Hc; unfold quotient; destruct (Req_EM_T bottom 0) as [-> | H].
  - rewrite Rmult_0_r; destruct (Req_EM_T 0 0); [reflexivity | contradiction].
  - destruct (Req_EM_T (c * bottom) 0) as [E | _].
    + destruct (Rmult_integral _ _ E); contradiction.
    + field; split; assumption.
Qed.

Theorem online_is_attention choose m0 blocks :
  online choose m0 blocks = attention (concat blocks).
Proof.
  unfold online, attention.
  destruct (blocks_sums choose blocks (start m0) []) as [Hl Ha].
  { split; simpl; ring. }
  cbv zeta; rewrite Hl, Ha; apply quotient_factor.
  pose proof (exp_pos (- m (fold_left (step choose) blocks (start m0)))); lra.
Qed.

Theorem masked_row_is_zero ks : (forall k, In k ks -> keep k = false) -> attention ks = 0.
Proof.
  intros H; unfold attention, quotient.
  assert (E : sum (weight 0) ks = 0).
  { induction ks as [| k ks IH]; simpl; [reflexivity |].
    unfold weight at 1; rewrite (H k) by (left; reflexivity).
    rewrite IH by (intros j Hj; apply H; right; exact Hj); ring. }
  rewrite E; destruct (Req_EM_T 0 0); [reflexivity | contradiction].
Qed.

(** ** What the backward pass (AttentionBackward.v) recomputes from the log-sum-exp that
    the forward pass stored: the softmax weight. *)
Theorem recomputed_weight L k ks : exp L = sum (weight 0) ks ->
  weight L k = weight 0 k / sum (weight 0) ks.
Proof.
  intros H; rewrite weight_reference, exp_Ropp, H; unfold Rdiv; ring.
Qed.
End Scale.
Print Assumptions online_is_attention.
