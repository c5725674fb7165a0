(** The backward pass of masked softmax attention, over the reals, for one query: whatever
    differentiable curve query, keys and values move on, the output's velocity d(out)
    satisfies, for every cotangent g,

      <g, d(out)> = <dq, d(query)> + sum over keys of <dk, d(key)> + <dv, d(value)>

    where, with the softmax weight p of a key and delta = <g, out>,

      ds = scale * p * (<g, value> - delta),  dq = sum of ds * key,
      dk = ds * query,  dv = p * g

    (Dao et al. 2022, appendix B.2), summed over blocks of keys in any grouping. A masked
    key gets zero, and so does all of a row without keys. Several queries: sums of this.

    `tl.equivalent` checks instances of it on the kernels' own jaxprs. *)
From Coq Require Import Reals Lra List.
From TorchLean Require Import Attention Reverse.
Import ListNotations.
Open Scope R_scope.

(** A key with its value, on their curves, and whether the mask keeps it. *)
Record moving := {
  key_at : R -> vector; key_speed : vector;
  val_at : R -> vector; val_speed : vector;
  kept : bool }.
Definition total (f : moving -> R) (ms : list moving) : R :=
  fold_right (fun m s => f m + s) 0 ms.

Lemma total_ext f g ms : (forall m, In m ms -> f m = g m) -> total f ms = total g ms.
Proof.
  induction ms as [| m ms IH]; intros H; simpl; [reflexivity |].
  rewrite IH, H; [reflexivity | left; reflexivity | intros; apply H; right; assumption].
Qed.
Lemma total_add f g ms : total (fun m => f m + g m) ms = total f ms + total g ms.
Proof. induction ms as [| m ms IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma total_scale c f ms : total (fun m => c * f m) ms = c * total f ms.
Proof. induction ms as [| m ms IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma total_concat f blocks :
  total f (concat blocks) = fold_right (fun b s => total f b + s) 0 blocks.
Proof.
  induction blocks as [| b bs IH]; simpl; [reflexivity |]; rewrite <- IH.
  induction b as [| m b IHb]; simpl; [ring | rewrite IHb; ring].
Qed.
Lemma dot_total n c f ms :
  dot n c (fun e => total (fun m => f m e) ms) = total (fun m => dot n c (f m)) ms.
Proof.
  induction ms as [| m ms IH]; simpl; [apply dot_nowhere_r |].
  rewrite <- IH, <- dot_add_r; reflexivity.
Qed.
Lemma total_moves f d t ms :
  (forall m, In m ms -> derivable_pt_lim (fun s => f s m) t (d m)) ->
  derivable_pt_lim (fun s => total (f s) ms) t (total d ms).
Proof.
  induction ms as [| m ms IH]; intros H; simpl; [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_plus (fun s => f s m) (fun s => total (f s) ms));
    [apply H; left; reflexivity | apply IH; intros; apply H; right; assumption].
Qed.

Lemma total_nonneg f ms : (forall k, 0 <= f k) -> 0 <= total f ms.
Proof.
  intros H; induction ms as [| m ms IH]; simpl; [lra |]; specialize (H m); lra.
Qed.
Lemma total_positive f k ms : (forall k, 0 <= f k) -> In k ms -> 0 < f k ->
  0 < total f ms.
Proof.
  intros H Hin Hk; induction ms as [| m ms IH]; [destruct Hin |]; simpl.
  pose proof (total_nonneg f ms H); destruct Hin as [-> | Hin]; [lra |].
  specialize (H m); specialize (IH Hin); lra.
Qed.
Lemma lim_ext f f' x d : (forall y, f y = f' y) -> derivable_pt_lim f x d ->
  derivable_pt_lim f' x d.
Proof.
  intros H Hd eps He; destruct (Hd eps He) as [r Hr]; exists r.
  intros h; rewrite <- !H; apply Hr.
Qed.
Lemma dot_ext n c x y : (forall k, x k = y k) -> dot n c x = dot n c y.
Proof. intros H; apply sum_ext; intros; rewrite H; reflexivity. Qed.
Lemma dot_scale_r n c a x : dot n c (fun k => a * x k) = a * dot n c x.
Proof. unfold dot; rewrite <- sum_scale; apply sum_ext; intros; ring. Qed.

Section Row.
Variables (scale : R) (D E : nat). (* D entries in a key, E in a value *)
Variables (query_at : R -> vector) (query_speed : vector) (ms : list moving) (t : R).

(** The keys that Attention.v speaks of, for entry [e] of the values, at time [s]. *)
Definition seen (s : R) (e : nat) (k : moving) : key :=
  {| score := dot D (query_at s) (key_at k s); val := val_at k s e; keep := kept k |}.
Definition output (s : R) : vector := fun e => attention scale (map (seen s e) ms).

(** ** The backward pass, from a cotangent of the output and the log-sum-exp [L] that the
    forward pass keeps *)
Variables (g : vector) (L : R).
Definition p (k : moving) : R := weight scale L (seen t O k).
Definition delta : R := dot E g (output t).
Definition ds (k : moving) : R := scale * (p k * (dot E g (val_at k t) - delta)).
Definition dq : vector := fun j => total (fun k => ds k * key_at k t j) ms.
Definition dk (k : moving) : vector := fun j => ds k * query_at t j.
Definition dv (k : moving) : vector := fun e => p k * g e.

Hypothesis query_moves : forall j, (j < D)%nat ->
  derivable_pt_lim (fun s => query_at s j) t (query_speed j).
Hypothesis keys_move : forall k, In k ms -> forall j, (j < D)%nat ->
  derivable_pt_lim (fun s => key_at k s j) t (key_speed k j).
Hypothesis values_move : forall k, In k ms -> forall e, (e < E)%nat ->
  derivable_pt_lim (fun s => val_at k s e) t (val_speed k e).
Hypothesis log_sum_exp : (exists k, In k ms /\ kept k = true) ->
  exp L = total (fun k => weight scale 0 (seen t O k)) ms.

Definition score_speed (k : moving) : R :=
  dot D query_speed (key_at k t) + dot D (query_at t) (key_speed k).
Definition w (s : R) (k : moving) : R := weight scale 0 (seen s O k).

Lemma score_moves k : In k ms ->
  derivable_pt_lim (fun s => dot D (query_at s) (key_at k s)) t (score_speed k).
Proof.
  intros Hk; unfold score_speed, dot; rewrite <- sum_add.
  apply (moves_sum D (fun s j => query_at s j * key_at k s j)); intros j Hj.
  apply (derivable_pt_lim_mult (fun s => query_at s j) (fun s => key_at k s j));
    [apply query_moves, Hj | apply keys_move; assumption].
Qed.
Lemma w_moves k : In k ms ->
  derivable_pt_lim (fun s => w s k) t (w t k * (scale * score_speed k)).
Proof.
  intros Hk; unfold w, weight; simpl; destruct (kept k).
  - apply (derivable_pt_lim_comp
      (fun s => scale * dot D (query_at s) (key_at k s) - 0) exp);
      [| apply derivable_pt_lim_exp].
    rewrite <- (Rminus_0_r (scale * score_speed k)).
    apply (derivable_pt_lim_minus (fun s => scale * dot D (query_at s) (key_at k s))
      (fun _ => 0)); [| apply derivable_pt_lim_const].
    apply (derivable_pt_lim_scal (fun s => dot D (query_at s) (key_at k s))).
    apply score_moves, Hk.
  - rewrite Rmult_0_l; apply derivable_pt_lim_const.
Qed.

Lemma sum_seen f s e :
  Attention.sum f (map (seen s e) ms) = total (fun k => f (seen s e k)) ms.
Proof. clear; induction ms as [| k ks IH]; simpl; [reflexivity | rewrite IH; reflexivity]. Qed.
Lemma output_is s e :
  output s e = quotient (total (fun k => w s k * val_at k s e) ms) (total (w s) ms).
Proof. unfold output, attention; rewrite !sum_seen; reflexivity. Qed.

Lemma w_nonneg s k : 0 <= w s k.
Proof. unfold w, weight; destruct (keep _); [apply Rlt_le, exp_pos | lra]. Qed.
Lemma weights_positive s k : In k ms -> kept k = true -> 0 < total (w s) ms.
Proof.
  intros Hin Hk; apply (total_positive _ k); [apply w_nonneg | exact Hin |].
  unfold w, weight; simpl; rewrite Hk; apply exp_pos.
Qed.

Definition output_speed : vector := fun e =>
  total (fun k => p k * (val_speed k e
                         + scale * score_speed k * (val_at k t e - output t e))) ms.

Lemma masked_moves e : (forall k, In k ms -> kept k = false) ->
  derivable_pt_lim (fun s => output s e) t (output_speed e).
Proof.
  intros H; replace (output_speed e) with 0.
  - apply (lim_ext (fun _ => 0)); [| apply derivable_pt_lim_const].
    intros s; symmetry; apply masked_row_is_zero; intros k Hk.
    apply in_map_iff in Hk; destruct Hk as (m & <- & Hm); exact (H m Hm).
  - unfold output_speed; rewrite <- (Rmult_0_l (total (fun _ => 0) ms)), <- total_scale.
    apply total_ext; intros k Hk; unfold p, weight; simpl; rewrite (H k Hk); ring.
Qed.

Lemma weighted_moves e : (e < E)%nat ->
  derivable_pt_lim (fun s => total (fun k => w s k * val_at k s e) ms) t
    (total (fun k => w t k * (scale * score_speed k) * val_at k t e
                     + w t k * val_speed k e) ms).
Proof.
  intros He; apply (total_moves (fun s k => w s k * val_at k s e)); intros k Hk.
  apply (derivable_pt_lim_mult (fun s => w s k) (fun s => val_at k s e));
    [apply w_moves, Hk | apply values_move; assumption].
Qed.

Lemma output_moves e : (e < E)%nat ->
  derivable_pt_lim (fun s => output s e) t (output_speed e).
Proof.
  intros He; destruct (existsb kept ms) eqn:Some.
  2: { apply masked_moves; intros k Hk; destruct (kept k) eqn:K; [| reflexivity].
       rewrite <- Some; symmetry; apply existsb_exists; eauto. }
  apply existsb_exists in Some; destruct Some as (k & Hin & Hk).
  pose proof (fun s => weights_positive s k Hin Hk) as B.
  apply (lim_ext (fun s => total (fun k => w s k * val_at k s e) ms / total (w s) ms)).
  { intros s; rewrite output_is; unfold quotient.
    destruct (Req_EM_T (total (w s) ms) 0) as [E0 | _]; [| reflexivity].
    specialize (B s); lra. }
  assert (S : output_speed e = (total (fun k => w t k * (scale * score_speed k)
      * val_at k t e + w t k * val_speed k e) ms * total (w t) ms
      - total (fun k => w t k * (scale * score_speed k)) ms
        * total (fun k => w t k * val_at k t e) ms) / (total (w t) ms)²).
  { specialize (B t); set (b := total (w t) ms) in *.
    set (a := total (fun k => w t k * val_at k t e) ms) in *.
    assert (O : output t e = a / b).
    { rewrite output_is; unfold quotient; fold a b.
      destruct (Req_EM_T b 0); [lra | reflexivity]. }
    unfold output_speed; rewrite (total_ext _ (fun k =>
      / b * (w t k * (scale * score_speed k) * val_at k t e + w t k * val_speed k e)
      + - (a / (b * b)) * (w t k * (scale * score_speed k)))).
    - rewrite total_add, !total_scale; unfold Rsqr; field; lra.
    - intros m Hm; rewrite O; unfold p.
      rewrite weight_reference, exp_Ropp, log_sum_exp by eauto.
      change (total (fun k => weight scale 0 (seen t 0 k)) ms) with b.
      change (weight scale 0 (seen t 0 m)) with (w t m); field; lra. }
  rewrite S; apply (derivable_pt_lim_div
    (fun s => total (fun k => w s k * val_at k s e) ms) (fun s => total (w s) ms));
    [apply weighted_moves, He | | specialize (B t); lra].
  apply (total_moves w); intros m Hm; apply w_moves, Hm.
Qed.

Theorem attention_backward :
  (forall e, (e < E)%nat -> derivable_pt_lim (fun s => output s e) t (output_speed e))
  /\ dot E g output_speed
     = dot D dq query_speed
       + total (fun k => dot D (dk k) (key_speed k) + dot E (dv k) (val_speed k)) ms.
Proof.
  split; [exact output_moves |].
  unfold output_speed; rewrite dot_total, (dot_comm D dq); unfold dq.
  rewrite dot_total, <- total_add; apply total_ext; intros k _.
  rewrite dot_scale_r, (dot_comm D (dk k)), (dot_comm E (dv k)); unfold dk, dv.
  rewrite !dot_scale_r.
  rewrite (dot_ext E g _ (add (val_speed k) (fun e => scale * score_speed k
    * add (val_at k t) (fun e => -1 * output t e) e)))
    by (intros; unfold add; ring).
  rewrite dot_add_r, dot_scale_r, dot_add_r, dot_scale_r; fold delta.
  rewrite (dot_comm D (key_speed k)), (dot_comm E (val_speed k)).
  unfold ds, score_speed; ring.
Qed.

(** Block after block, in any grouping: the sum over the keys is the sum of the blocks'. *)
Theorem query_cotangent_by_blocks blocks j : ms = concat blocks ->
  dq j = fold_right (fun b s => total (fun k => ds k * key_at k t j) b + s) 0 blocks.
Proof. intros H; unfold dq; rewrite <- total_concat, <- H; reflexivity. Qed.
End Row.
