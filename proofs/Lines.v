(** The maximum of two affine functions, bounded from below by linear ones.

    max(p, q) = q + relu(d) with d = p - q. For any b, the function a relu(d) - b d is
    linear on either side of 0, so where lo <= d <= hi it is at least the least of its
    values at lo, 0 and hi: whatever b is, a relu(d) >= b d + that number. Slopes are
    therefore free, and coefficients may be rounded in passing. *)
From Coq Require Import ZArith Reals Lra Lia List Psatz.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Vectors.
Import ListNotations.
Open Scope R_scope.

(** What is known of d, entry by entry, and the slopes for positive and negative a. *)
Inductive neuron := On | Off | Between (lo hi below above : BigZ.t).
(** Exponents: of lo and hi, of slopes, and of the multiples to which coefficients of p are
    rounded. *)
Record units := { u_bounds : Z; u_slopes : Z; u_grid : Z }.

Definition known (h : Z) (n : neuron) (d : R) : Prop :=
  match n with
  | On => 0 <= d
  | Off => d <= 0
  | Between lo hi _ _ => real h lo <= d <= real h hi
  end.
Fixpoint all_known (h : Z) (ns : list neuron) (p q : list R) : Prop :=
  match ns with
  | [] => True
  | n :: ns' => known h n (first p - first q) /\ all_known h ns' (tl p) (tl q)
  end.

(** a * 2^e becomes coefficients of p (in 2^g), of q (in 2^f) and a constant (2^(f+h)). *)
Definition line (u : units) (e f : Z) (n : neuron) (a : BigZ.t) : BigZ.t * BigZ.t * BigZ.t :=
  let g := u_grid u in
  let fine := grow e f a in
  match n with
  | On => let b := floor_to e g a in (b, BigZ.sub fine (grow g f b), BigZ.zero)
  | Off => (BigZ.zero, fine, BigZ.zero)
  | Between lo hi below above =>
      let s := if nonneg a then below else above in
      let b := floor_to (e + u_slopes u) g (BigZ.mul a s) in
      let fine_b := grow g f b in
      let at_ d := BigZ.sub (BigZ.mul fine (clip d)) (BigZ.mul fine_b d) in
      (b, BigZ.sub fine fine_b, least BigZ.zero (least (at_ lo) (at_ hi)))
  end.
(** None if there are fewer neurons than coefficients. *)
Fixpoint lines (u : units) (e f : Z) (ns : list neuron) (c : list BigZ.t)
  : option (list BigZ.t * list BigZ.t * BigZ.t) :=
  match c, ns with
  | [], _ => Some ([], [], BigZ.zero)
  | a :: c', n :: ns' =>
      match lines u e f ns' c' with
      | Some (bs, rest, k) =>
          if is0 a then Some (BigZ.zero :: bs, BigZ.zero :: rest, k)
          else let '(b, r, k') := line u e f n a in
               Some (b :: bs, r :: rest, BigZ.add k' k)
      | None => None
      end
  | _ :: _, [] => None
  end.

Lemma relu_line a b d lo hi k : lo <= d <= hi -> k <= 0 ->
  k <= a * Rmax lo 0 - b * lo -> k <= a * Rmax hi 0 - b * hi ->
  b * d + k <= a * Rmax d 0.
Proof.
  intros Hd H0 Hl Hh.
  destruct (Rle_dec 0 d) as [D | D].
  - rewrite (Rmax_left d), (Rmax_left hi) in * by lra.
    destruct (Rle_dec 0 (a - b)); [nra |].
    destruct (Rle_dec 0 lo); nra.
  - rewrite (Rmax_right d), (Rmax_right lo) in * by lra.
    destruct (Rle_dec 0 b); nra.
Qed.
Lemma max_relu p q : Rmax p q = q + Rmax (p - q) 0.
Proof. unfold Rmax; destruct (Rle_dec p q), (Rle_dec (p - q) 0); lra. Qed.

Section Sound.
Variables (u : units) (e f : Z).
Hypotheses (He : (f <= e)%Z) (Hg : (f <= u_grid u)%Z).

Lemma line_sound n a b r k p q : known (u_bounds u) n (p - q) ->
  line u e f n a = (b, r, k) ->
  real (u_grid u) b * p + real f r * q + real (f + u_bounds u) k <= real e a * Rmax p q.
Proof.
  intros Hn; rewrite max_relu; destruct n as [| | lo hi below above]; simpl;
    intros [= <- <- <-]; simpl in Hn; rewrite ?real_zero.
  - rewrite real_sub, !grow_real, Rmax_left by assumption.
    pose proof (floor_real e (u_grid u) a); nra.
  - rewrite grow_real, Rmax_right by assumption; lra.
  - rewrite real_sub, !grow_real by assumption.
    set (b := floor_to _ _ _); set (k1 := BigZ.sub _ _) at 1; set (k2 := BigZ.sub _ _).
    destruct (least_real (f + u_bounds u) BigZ.zero (least k1 k2)) as [L0 L12].
    destruct (least_real (f + u_bounds u) k1 k2) as [L1 L2]; rewrite real_zero in L0.
    assert (E : forall d, real (f + u_bounds u)
        (BigZ.sub (BigZ.mul (grow e f a) (clip d)) (BigZ.mul (grow (u_grid u) f b) d))
        = real e a * Rmax (real (u_bounds u) d) 0
          - real (u_grid u) b * real (u_bounds u) d).
    { intros d; rewrite real_sub, !real_mul, clip_real, !grow_real by assumption; ring. }
    pose proof (E lo) as E1; pose proof (E hi) as E2; fold k1 in E1; fold k2 in E2.
    pose proof (relu_line (real e a) (real (u_grid u) b) (p - q) _ _
      (real (f + u_bounds u) (least BigZ.zero (least k1 k2))) Hn ltac:(lra) ltac:(lra)
      ltac:(lra)).
    lra.
Qed.

Lemma lines_sound ns c bs rest k p q : all_known (u_bounds u) ns p q ->
  lines u e f ns c = Some (bs, rest, k) ->
  dot (map (real (u_grid u)) bs) p + dot (map (real f) rest) q + real (f + u_bounds u) k
  <= dot (map (real e) c) (larger p q).
Proof.
  revert ns bs rest k p q; induction c as [| a c IH]; intros ns bs rest k p q Hn H.
  - destruct ns; injection H as <- <- <-; simpl; rewrite real_zero; lra.
  - destruct ns as [| n ns]; [discriminate |]; destruct Hn as [Hn Hns]; simpl in H.
    destruct (lines u e f ns c) as [[[bs' rest'] k'] |] eqn:E; [| discriminate].
    specialize (IH _ _ _ _ _ _ Hns E).
    simpl map; rewrite dot_cons, first_larger, tl_larger.
    destruct (is0 a) eqn:Z0.
    + injection H as <- <- <-; simpl map; rewrite !dot_cons, !real_zero.
      rewrite (is0_real e a Z0); lra.
    + destruct (line u e f n a) as [[b r] k0] eqn:L; injection H as <- <- <-.
      simpl map; rewrite !dot_cons, real_add.
      pose proof (line_sound _ _ _ _ _ _ _ Hn L); lra.
Qed.
End Sound.
