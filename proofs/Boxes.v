(** Intervals for the entries of vectors, each end known or not, and the least value of a
    linear form within them. *)
From Coq Require Import ZArith Reals Lra Lia List.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Vectors Forms.
Import ListNotations.
Open Scope R_scope.

Definition ends := (option BigZ.t * option BigZ.t)%type.
(** An exponent, and the ends of the first entries; nothing is known of the others. *)
Definition intervals := (Z * list ends)%type.

Definition above (e : Z) (lo : option BigZ.t) (v : R) : Prop :=
  match lo with Some m => real e m <= v | None => True end.
Definition below (e : Z) (hi : option BigZ.t) (v : R) : Prop :=
  match hi with Some m => v <= real e m | None => True end.
Fixpoint inside (e : Z) (bs : list ends) (x : list R) : Prop :=
  match bs with
  | [] => True
  | (lo, hi) :: bs' => above e lo (first x) /\ below e hi (first x) /\ inside e bs' (tl x)
  end.
Fixpoint all_inside (ks : list intervals) (env : list (list R)) : Prop :=
  match ks, env with
  | (e, bs) :: ks', x :: env' => inside e bs x /\ all_inside ks' env'
  | [], _ => True
  | _, [] => False
  end.

(** ** The least value *)
Fixpoint low_entries (c : list BigZ.t) (bs : list ends) (sum : BigZ.t) : option BigZ.t :=
  match c with
  | [] => Some sum
  | a :: c' =>
      let '((lo, hi), bs') := match bs with [] => ((None, None), []) | b :: t => (b, t) end in
      if is0 a then low_entries c' bs' sum
      else match (if nonneg a then lo else hi) with
           | Some m => low_entries c' bs' (BigZ.add (BigZ.mul a m) sum)
           | None => None
           end
  end.
Fixpoint low (cs : list block) (ks : list intervals) (sum : dyadic) : option dyadic :=
  match cs, ks with
  | [], _ => Some sum
  | (f, c) :: cs', (e, bs) :: ks' =>
      match low_entries c bs BigZ.zero with
      | Some m => low cs' ks' (dadd (f + e, m)%Z sum)
      | None => None
      end
  | (_, c) :: cs', [] => if forallb is0 c then low cs' [] sum else None
  end.

Lemma low_entries_sound f e c bs x sum m : inside e bs x -> low_entries c bs sum = Some m ->
  real (f + e) m <= dot (map (real f) c) x + real (f + e) sum.
Proof.
  revert bs x sum; induction c as [| a c IH]; intros bs x sum Hx H; simpl in H.
  - injection H as <-; simpl; lra.
  - simpl map; rewrite dot_cons.
    set (b := match bs with [] => ((None, None), []) | b :: t => (b, t) end) in H.
    assert (B : above e (fst (fst b)) (first x) /\ below e (snd (fst b)) (first x)
                /\ inside e (snd b) (tl x)).
    { destruct bs as [| [lo hi] bs]; simpl in *; tauto. }
    destruct b as [[lo hi] bs']; simpl in B; destruct B as (Bl & Bh & Bs).
    destruct (is0 a) eqn:Z0.
    + specialize (IH _ _ _ Bs H); rewrite (is0_real f a Z0); lra.
    + destruct (nonneg a) eqn:S; [destruct lo as [k |] | destruct hi as [k |]];
        try discriminate; specialize (IH _ _ _ Bs H); rewrite real_add, real_mul in IH;
        simpl in Bl, Bh;
        [pose proof (nonneg_real f a S) | pose proof (neg_real f a S)]; nra.
Qed.
Lemma zeros_dot f c x : forallb is0 c = true -> dot (map (real f) c) x = 0.
Proof.
  revert x; induction c as [| a c IH]; intros x H; [reflexivity |]; simpl in H.
  destruct (is0 a) eqn:E; [| discriminate]; simpl map.
  rewrite dot_cons, (is0_real f a E), IH by exact H; ring.
Qed.
Lemma low_sound cs ks env sum d : all_inside ks env -> low cs ks sum = Some d ->
  number d <= total cs env + number sum.
Proof.
  revert ks env sum; induction cs as [| [f c] cs IH]; intros ks env sum Hi H.
  - destruct ks; injection H as <-; simpl; lra.
  - destruct ks as [| [e bs] ks]; simpl in H.
    + destruct (forallb is0 c) eqn:Z0; [| discriminate].
      destruct env as [| x env].
      * specialize (IH [] [] sum I H); rewrite total_nil_r in *; lra.
      * specialize (IH [] env sum I H); simpl; unfold reals; simpl.
        rewrite (zeros_dot f c x Z0); lra.
    + destruct env as [| x env]; [destruct Hi |]; destruct Hi as [Hx Hi].
      destruct (low_entries c bs BigZ.zero) as [m |] eqn:E; [| discriminate].
      apply (low_entries_sound f e) with (x := x) in E; [| exact Hx].
      rewrite real_zero in E; specialize (IH _ _ _ Hi H); rewrite number_add in IH.
      unfold number at 2 in IH; simpl in *; unfold reals; simpl; lra.
Qed.

(** ** Boxes, and cuts *)
Definition of_box (b : block * block) : intervals :=
  let '((e, lo), (f, hi)) := b in
  let g := Z.min e f in
  (g, map (fun p => (Some (grow e g (fst p)), Some (grow f g (snd p)))) (combine lo hi)).
Definition grow_ends (e f : Z) (b : ends) : ends :=
  (option_map (grow e f) (fst b), option_map (grow e f) (snd b)).
(** Entry [k] is at most (at least) [at_]. *)
Fixpoint cut_entry (upper : bool) (k : nat) (m : BigZ.t) (bs : list ends) : list ends :=
  let '((lo, hi), rest) := match bs with [] => ((None, None), []) | b :: t => (b, t) end in
  match k with
  | O => (if upper then (Some m, hi) else (lo, Some m)) :: rest
  | S k' => (lo, hi) :: cut_entry upper k' m rest
  end.
Definition cut (upper : bool) (k : nat) (at_ : dyadic) (b : intervals) : intervals :=
  let f := Z.min (fst b) (fst at_) in
  (f, cut_entry upper k (grow (fst at_) f (snd at_)) (map (grow_ends (fst b) f) (snd b))).
Fixpoint cut_at (upper : bool) (v k : nat) (at_ : dyadic) (ks : list intervals)
  : list intervals :=
  match v, ks with
  | _, [] => []
  | O, b :: ks' => cut upper k at_ b :: ks'
  | S v', b :: ks' => b :: cut_at upper v' k at_ ks'
  end.

Lemma of_box_inside b x : between x b -> inside (fst (of_box b)) (snd (of_box b)) x.
Proof.
  destruct b as [[e lo] [f hi]]; unfold between, reals; simpl; intros [Hl Hh].
  revert hi x Hl Hh; induction lo as [| l lo IH]; intros [| h hi] x Hl Hh; simpl; auto.
  inversion Hl; subst; inversion Hh; subst; simpl; unfold first; simpl.
  rewrite !grow_real by lia; auto.
Qed.
Lemma all_inside_boxes b inputs : within b inputs -> all_inside (map of_box b) inputs.
Proof.
  induction 1 as [| x c inputs b Hx _ IH]; simpl; [exact I |].
  pose proof (of_box_inside c x Hx) as H; destruct (of_box c); auto.
Qed.
Lemma inside_grow e f bs x : (f <= e)%Z -> inside e bs x ->
  inside f (map (grow_ends e f) bs) x.
Proof.
  intros Hf; revert x; induction bs as [| [lo hi] bs IH]; intros x; [exact (fun H => H) |]; simpl.
  intros (Hl & Hh & Hs); repeat split; [destruct lo | destruct hi |]; simpl in *;
    rewrite ?grow_real; auto.
Qed.
Lemma cut_entry_inside e (upper : bool) k m bs x : inside e bs x ->
  (if upper then real e m <= nth k x 0 else nth k x 0 <= real e m) ->
  inside e (cut_entry upper k m bs) x.
Proof.
  revert bs x; induction k as [| k IH]; intros bs x Hi Hk.
  - destruct x as [| v x], bs as [| [lo hi] bs], upper; simpl in *; unfold first in *;
      simpl in *; tauto.
  - assert (Ht : nth (S k) x 0 = nth k (tl x) 0) by (destruct x, k; reflexivity).
    rewrite Ht in Hk; destruct bs as [| [lo hi] bs]; simpl in *;
      [specialize (IH [] (tl x) I Hk) | specialize (IH bs (tl x) (proj2 (proj2 Hi)) Hk)];
      tauto.
Qed.
Lemma cut_inside (upper : bool) v k at_ ks env : all_inside ks env ->
  (if upper then number at_ <= nth k (nth v env []) 0
   else nth k (nth v env []) 0 <= number at_) ->
  all_inside (cut_at upper v k at_ ks) env.
Proof.
  revert ks env; induction v as [| v IH]; intros [| [e bs] ks] env Hi Hk;
    try exact I; (destruct env as [| x env]; [destruct Hi |]); destruct Hi as [Hx Hi].
  - simpl; split; [| exact Hi]; simpl in Hk; apply cut_entry_inside.
    + apply inside_grow; [lia | exact Hx].
    + rewrite grow_real by lia; exact Hk.
  - simpl; split; [exact Hx | apply IH; assumption].
Qed.
