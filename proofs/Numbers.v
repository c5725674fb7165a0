(** Arithmetic of dyadic numbers: exact, or rounded down. *)
From Coq Require Import ZArith Reals Lra Lia List Bool.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph.
Open Scope R_scope.

Lemma power_pos e : 0 < powerRZ 2 e.
Proof. apply powerRZ_lt; lra. Qed.

Lemma power_nat k : (0 <= k)%Z -> powerRZ 2 k = IZR (2 ^ k).
Proof.
  intros H; rewrite <- (Z2Nat.id k) by exact H.
  rewrite <- pow_powerRZ, pow_IZR; reflexivity.
Qed.

(** ** Integers *)
Definition is0 (m : BigZ.t) : bool := BigZ.eqb m BigZ.zero.
Definition nonneg (m : BigZ.t) : bool := match m with BigZ.Pos _ => true | _ => false end.
Definition least (a b : BigZ.t) : BigZ.t := if BigZ.leb a b then a else b.
Definition clip (a : BigZ.t) : BigZ.t := if BigZ.leb BigZ.zero a then a else BigZ.zero.

Lemma real_zero e : real e BigZ.zero = 0.
Proof. unfold real; rewrite BigZ.spec_0; lra. Qed.
Lemma real_add e a b : real e (BigZ.add a b) = real e a + real e b.
Proof. unfold real; rewrite BigZ.spec_add, plus_IZR; lra. Qed.
Lemma real_sub e a b : real e (BigZ.sub a b) = real e a - real e b.
Proof. unfold real; rewrite BigZ.spec_sub, minus_IZR; lra. Qed.
Lemma real_opp e a : real e (BigZ.opp a) = - real e a.
Proof. unfold real; rewrite BigZ.spec_opp, opp_IZR; lra. Qed.
Lemma real_mul e f a b : real (e + f) (BigZ.mul a b) = real e a * real f b.
Proof.
  unfold real; rewrite BigZ.spec_mul, mult_IZR, powerRZ_add by lra; ring.
Qed.
Lemma real_leb e a b : BigZ.leb a b = true <-> real e a <= real e b.
Proof.
  rewrite BigZ.spec_leb, Z.leb_le; unfold real; split; intros H.
  - apply Rmult_le_compat_r; [apply Rlt_le, power_pos | apply IZR_le, H].
  - apply le_IZR; apply Rmult_le_reg_r in H; [exact H | apply power_pos].
Qed.
Lemma real_gtb e a b : BigZ.leb a b = false -> real e b < real e a.
Proof.
  intros H; apply Rnot_le_lt; intros H'; apply (real_leb e) in H'; congruence.
Qed.
Lemma is0_real e m : is0 m = true -> real e m = 0.
Proof.
  unfold is0, real; rewrite BigZ.spec_eqb, BigZ.spec_0, Z.eqb_eq; intros ->; lra.
Qed.
Lemma nonneg_real e m : nonneg m = true -> 0 <= real e m.
Proof.
  destruct m as [n | n]; [intros _ | discriminate]; unfold real; simpl.
  apply Rmult_le_pos; [apply IZR_le, BigN.spec_pos | apply Rlt_le, power_pos].
Qed.
Lemma neg_real e m : nonneg m = false -> real e m <= 0.
Proof.
  destruct m as [n | n]; [discriminate | intros _]; unfold real; simpl.
  rewrite opp_IZR; pose proof (IZR_le _ _ (BigN.spec_pos n)); pose proof (power_pos e); nra.
Qed.
Lemma least_real e a b : real e (least a b) <= real e a /\ real e (least a b) <= real e b.
Proof.
  unfold least; destruct (BigZ.leb a b) eqn:E;
    [apply (real_leb e) in E | apply (real_gtb e) in E]; lra.
Qed.
Lemma clip_real e a : real e (clip a) = Rmax (real e a) 0.
Proof.
  unfold clip; destruct (BigZ.leb BigZ.zero a) eqn:E;
    [apply (real_leb e) in E; rewrite real_zero in E; rewrite Rmax_left |
     apply (real_gtb e) in E; rewrite real_zero in *; rewrite Rmax_right]; lra.
Qed.

(** ** Exponents. [grow e f m] is m * 2^e in units of 2^f, exactly, for f <= e. *)
Definition grow (e f : Z) (m : BigZ.t) : BigZ.t :=
  match (e - f)%Z with Zpos k => BigZ.shiftl m (BigZ.of_Z (Zpos k)) | _ => m end.
(** [floor_to e g m]: the largest multiple of 2^g that is at most m * 2^e. *)
Definition floor_to (e g : Z) (m : BigZ.t) : BigZ.t :=
  match (e - g)%Z with
  | Z0 => m
  | Zpos k => BigZ.shiftl m (BigZ.of_Z (Zpos k))
  | Zneg k => BigZ.shiftr m (BigZ.of_Z (Zpos k))
  end.

Lemma shiftl_real e f k m : (e - f)%Z = Zpos k ->
  real f (BigZ.shiftl m (BigZ.of_Z (Zpos k))) = real e m.
Proof.
  intros H; unfold real; rewrite BigZ.spec_shiftl, BigZ.spec_of_Z, Z.shiftl_mul_pow2 by lia.
  rewrite mult_IZR, <- power_nat by lia; rewrite Rmult_assoc, <- powerRZ_add by lra.
  replace (Z.pos k + f)%Z with e by lia; reflexivity.
Qed.
Lemma grow_real e f m : (f <= e)%Z -> real f (grow e f m) = real e m.
Proof.
  intros H; unfold grow; destruct (e - f)%Z as [| k | k] eqn:E.
  - replace f with e by lia; reflexivity.
  - apply shiftl_real, E.
  - lia.
Qed.
Lemma floor_real e g m : real g (floor_to e g m) <= real e m.
Proof.
  unfold floor_to; destruct (e - g)%Z as [| k | k] eqn:E.
  - replace g with e by lia; lra.
  - rewrite (shiftl_real e) by exact E; lra.
  - unfold real; rewrite BigZ.spec_shiftr, BigZ.spec_of_Z, Z.shiftr_div_pow2 by lia.
    replace g with (Z.pos k + e)%Z by lia; rewrite powerRZ_add, <- Rmult_assoc by lra.
    apply Rmult_le_compat_r; [apply Rlt_le, power_pos |].
    rewrite power_nat, <- mult_IZR by lia; apply IZR_le; rewrite Z.mul_comm.
    apply Z.mul_div_le; lia.
Qed.

(** ** Single dyadic numbers *)
Definition dzero : dyadic := (0%Z, BigZ.zero).
Definition dadd (a b : dyadic) : dyadic :=
  let f := Z.min (fst a) (fst b) in
  (f, BigZ.add (grow (fst a) f (snd a)) (grow (fst b) f (snd b))).
Definition dopp (a : dyadic) : dyadic := (fst a, BigZ.opp (snd a)).
Definition dle (a b : dyadic) : bool :=
  let f := Z.min (fst a) (fst b) in
  BigZ.leb (grow (fst a) f (snd a)) (grow (fst b) f (snd b)).

Lemma number_zero : number dzero = 0.
Proof. apply real_zero. Qed.
Lemma number_add a b : number (dadd a b) = number a + number b.
Proof.
  unfold number, dadd; simpl; rewrite real_add, !grow_real by lia; reflexivity.
Qed.
Lemma number_opp a : number (dopp a) = - number a.
Proof. apply real_opp. Qed.
Lemma number_le a b : dle a b = true <-> number a <= number b.
Proof.
  unfold dle; rewrite (real_leb (Z.min (fst a) (fst b))), !grow_real by lia; reflexivity.
Qed.
Lemma number_gt a b : dle a b = false -> number b < number a.
Proof.
  intros H; apply Rnot_le_lt; intros H'; apply number_le in H'; congruence.
Qed.
