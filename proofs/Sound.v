(** The theorem: what the checker accepts is true. *)
From Coq Require Import ZArith Reals Lra Lia List Bool.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Vectors Forms Lines Curves Boxes Checker.
Import ListNotations.
Open Scope R_scope.

Definition nodes (tr : trace) : graph := map (fun t => fst (fst t)) tr.

Section Decision.
Variable decide : decision.
Hypothesis decide_right : right decide.

Section Point.
Variables (base : list intervals) (inputs : list (list R)).
Hypothesis Hbase : all_inside base inputs.

Definition run (tr : trace) : list (list R) := eval (nodes tr) inputs.
Definition justified (n : node) (ev : evidence) (env : list (list R)) : Prop :=
  match n with
  | Affine _ => True
  | Max p q => all_known (u_bounds (scale ev)) (neurons ev) (affine_value p env)
                 (affine_value q env)
  | Curve f size a => (length (bends ev) <= size)%nat
      /\ all_bent (scale ev) f (bends ev) (affine_value a env)
  end.
Fixpoint valid (tr : trace) : Prop :=
  match tr with
  | [] => True
  | (n, ev, k) :: tr' =>
      valid tr' /\ justified n ev (run tr') /\ inside (fst k) (snd k) (node_value n (run tr'))
  end.

Lemma valid_inside tr : valid tr -> all_inside (intervals_of tr base) (run tr).
Proof.
  induction tr as [| [[n ev] [e bs]] tr IH]; [auto |].
  intros (Hv & _ & Hk); split; [exact Hk | exact (IH Hv)].
Qed.

Lemma back_sound n ev f g env : justified n ev env -> back n ev f = Some g ->
  value g env <= value f (node_value n env :: env).
Proof.
  unfold back; destruct f as [[| c cs] d]; cbn [coefficients constant].
  - intros _ [= <-]; unfold value; simpl; rewrite total_nil_r || idtac; lra.
  - destruct n as [a | p q | s size a]; intros Hj H; cbv beta iota zeta in H.
    + injection H as <-; rewrite through_affine_value; unfold value; simpl; lra.
    + match type of H with context [lines ?a ?b ?c ?d ?e] =>
        destruct (lines a b c d e) as [[[bs r] k] |] eqn:E end; [| discriminate].
      injection H as <-; rewrite !through_affine_value.
      pose proof (lines_sound _ _ _ (Z.le_min_l _ _) (Z.le_min_r _ _) _ _ _ _ _ _ _ Hj E)
        as L.
      unfold value; cbn [coefficients constant total node_value]; rewrite number_add.
      unfold number at 1; unfold reals in *; cbn [fst snd] in *; lra.
    + match type of H with context [bend_lines ?a ?b ?c ?d ?e] =>
        destruct (bend_lines a b c d e) as [[ms k] |] eqn:E end; [| discriminate].
      injection H as <-; rewrite through_affine_value; destruct Hj as [Hs Hj].
      pose proof (bend_lines_sound _ _ _ _ (Z.le_min_l _ _) (Z.le_min_r _ _) _ _ _ _ _ _ Hs
        Hj E) as L.
      unfold value; cbn [coefficients constant total node_value]; rewrite number_add.
      unfold number at 1; unfold reals in *; cbn [fst snd] in *; lra.
Qed.

Lemma proves_sound test tr f : valid tr -> proves test base tr f = true ->
  exists d, test d = true /\ number d <= value f (run tr).
Proof.
  revert f; induction tr as [| [[n ev] k] tr IH]; intros f Hv H; cbn [proves] in H;
    (match type of H with (if ?b then _ else _) = _ => destruct b eqn:E end;
     [match type of E with context [low ?a ?b ?c] => destruct (low a b c) as [d |] eqn:L end;
      [| discriminate]; exists d; split; [exact E |];
      exact (low_sound _ _ _ _ _ (valid_inside _ Hv) L) |]).
  - discriminate.
  - destruct (back n ev f) as [g |] eqn:B; [| discriminate].
    destruct Hv as (Hv & Hj & _); destruct (IH g Hv H) as (d & Hd & Hle); exists d.
    split; [exact Hd |]; eapply Rle_trans; [exact Hle |].
    exact (back_sound n ev f g (run tr) Hj B).
Qed.

(** ** The tests of evidence *)
Lemma mean_unit k s :
  map (real 0) (repeat BigZ.zero k ++ [s]) = repeat 0 k ++ [real 0 s].
Proof.
  induction k as [| k IH]; [reflexivity |].
  cbn [repeat app map]; rewrite real_zero, IH; reflexivity.
Qed.
Lemma dot_unit k s x : dot (reals (unit_block k s)) x = real 0 s * nth k x 0.
Proof.
  change (reals (unit_block k s)) with (map (real 0) (repeat BigZ.zero k ++ [s])).
  rewrite mean_unit, dot_app_zeros, dot_cons, first_skipn; simpl; ring.
Qed.
Lemma real_one : real 0 BigZ.one = 1.
Proof. unfold real; rewrite BigZ.spec_1; simpl; lra. Qed.
Lemma real_minus_one : real 0 minus_one = -1.
Proof. unfold minus_one; rewrite real_opp, real_one; lra. Qed.

Lemma difference_value p q k env :
  value (difference p q k) env
  = nth k (affine_value p env) 0 - nth k (affine_value q env) 0.
Proof.
  unfold difference; rewrite !through_affine_value, !dot_unit, real_one, real_minus_one.
  unfold value, nothing; simpl; rewrite number_zero; ring.
Qed.
Lemma at_least_le d e v : at_least d e = true -> number e <= v -> number d <= v.
Proof. intros H; apply number_le in H; lra. Qed.

Lemma neuron_sound tr h p q k n : valid tr -> neuron_ok base tr h p q k n = true ->
  known h n (nth k (affine_value p (run tr)) 0 - nth k (affine_value q (run tr)) 0).
Proof.
  intros Hv; destruct n as [| | lo hi s u]; simpl.
  - intros H; destruct (proves_sound _ _ _ Hv H) as (d & Hd & Hle).
    rewrite difference_value in Hle; apply (at_least_le _ _ _ Hd) in Hle.
    rewrite number_zero in Hle; lra.
  - intros H; destruct (proves_sound _ _ _ Hv H) as (d & Hd & Hle).
    unfold negated in Hle; rewrite difference_value in Hle.
    apply (at_least_le _ _ _ Hd) in Hle; rewrite number_zero in Hle; lra.
  - rewrite andb_true_iff; intros (H1 & H2).
    destruct (proves_sound _ _ _ Hv H1) as (d & Hd & Hle).
    destruct (proves_sound _ _ _ Hv H2) as (d' & Hd' & Hle').
    unfold negated in Hle'; rewrite difference_value in Hle, Hle'.
    apply (at_least_le _ _ _ Hd) in Hle; apply (at_least_le _ _ _ Hd') in Hle'.
    rewrite number_opp in Hle'; unfold number in *; simpl in *; lra.
Qed.
Lemma neurons_sound tr h p q ns k : valid tr -> neurons_ok base tr h p q k ns = true ->
  all_known h ns (skipn k (affine_value p (run tr))) (skipn k (affine_value q (run tr))).
Proof.
  intros Hv; revert k; induction ns as [| n ns IH]; intros k; simpl; [auto |].
  destruct (neuron_ok base tr h p q k n) eqn:E; [| discriminate]; intros H.
  rewrite !first_skipn, !tl_skipn; split; [apply neuron_sound; assumption | auto].
Qed.
Lemma affine_zero env : affine_value zero env = [].
Proof. reflexivity. Qed.
Lemma bend_sound tr u f a k b : valid tr -> bend_ok decide base tr u f a k b = true ->
  bent u f b (nth k (affine_value a (run tr)) 0).
Proof.
  intros Hv; unfold bend_ok, side_ok; rewrite !andb_true_iff; intros [[Hn Hu] Ha].
  pose proof (neuron_sound _ _ _ _ _ _ Hv Hn) as K; cbn [known] in K.
  rewrite affine_zero in K; replace (nth k [] 0) with 0 in K by (destruct k; reflexivity).
  rewrite Rminus_0_r in K.
  split; [exact (proj1 K) | split];
    [exact (decide_right _ _ _ _ _ _ _ _ Hu K) | exact (decide_right _ _ _ _ _ _ _ _ Ha K)].
Qed.
Lemma bends_sound tr u f a bs k : valid tr -> bends_ok decide base tr u f a k bs = true ->
  all_bent u f bs (skipn k (affine_value a (run tr))).
Proof.
  intros Hv; revert k; induction bs as [| b bs IH]; intros k; simpl; [auto |].
  destruct (bend_ok decide base tr u f a k b) eqn:E; [| discriminate]; intros H.
  rewrite first_skipn, tl_skipn; split; [apply bend_sound; assumption | auto].
Qed.
Lemma node_sound tr n ev : valid tr -> node_ok decide base tr n ev = true ->
  justified n ev (run tr).
Proof.
  intros Hv; destruct n as [a | p q | f size a]; simpl; [auto | |].
  - intros H; apply neurons_sound in H; assumption.
  - rewrite andb_true_iff; intros [Hl H]; split; [apply Nat.leb_le, Hl |].
    apply bends_sound in H; assumption.
Qed.

Lemma entry_value k s x env : value (entry k s) (x :: env) = real 0 s * nth k x 0.
Proof.
  unfold value, entry; cbn [coefficients constant total].
  rewrite dot_unit, number_zero; destruct env; simpl; ring.
Qed.
Lemma claims_sound tr n ev k0 h bs k : valid ((n, ev, k0) :: tr) ->
  claims_ok base ((n, ev, k0) :: tr) h k bs = true ->
  inside h bs (skipn k (node_value n (run tr))).
Proof.
  intros Hv; revert k; induction bs as [| [lo hi] bs IH]; intros k; [exact (fun _ => I) |].
  cbn [claims_ok]; unfold ends_ok; cbn [fst snd].
  destruct (_ && _) eqn:E; [| discriminate]; rewrite andb_true_iff in E.
  destruct E as (El & Eh); intros H; cbn [inside]; rewrite first_skipn, tl_skipn.
  split; [| split; [| auto]]; [destruct lo as [m |] | destruct hi as [m |]]; try exact I;
    [destruct (proves_sound _ _ _ Hv El) as (d & Hd & Hle)
    | destruct (proves_sound _ _ _ Hv Eh) as (d & Hd & Hle)];
    apply (at_least_le _ _ _ Hd) in Hle;
    unfold run in Hle; cbn [nodes map fst eval] in Hle; rewrite entry_value in Hle;
    rewrite ?real_one, ?real_minus_one, ?number_opp in Hle;
    unfold number in Hle; cbn [fst snd above below] in *; unfold run, nodes; lra.
Qed.
End Point.

Lemma build_sound g evs ks tr base inputs :
  all_inside ks (eval g inputs) -> build decide g evs ks = Some (tr, base) ->
  nodes tr = g /\ all_inside base inputs /\ valid inputs tr.
Proof.
  revert evs ks tr base; induction g as [| n g IH]; intros evs ks tr base Hi H.
  - destruct evs; simpl in H; [| destruct ks; discriminate].
    injection H as <- <-; repeat split; exact Hi.
  - destruct evs as [| ev evs]; [simpl in H; destruct ks; discriminate |].
    destruct ks as [| [e bs] ks]; [discriminate |]; destruct Hi as (Hk & Hi); simpl in H.
    destruct (build decide g evs ks) as [[tr' base'] |] eqn:B; [| discriminate].
    destruct (IH _ _ _ _ Hi B) as (En & Hb & Hv).
    destruct (node_ok decide base' tr' n ev) eqn:N; [| discriminate].
    assert (Er : run inputs tr' = eval g inputs) by (unfold run; rewrite En; reflexivity).
    assert (V : valid inputs ((n, ev, (e, bs)) :: tr')).
    { split; [exact Hv |]; split; [apply (node_sound base'); assumption |].
      rewrite Er; exact Hk. }
    destruct (claimed ev) as [h cl] eqn:C; cbn [fst snd] in H.
    destruct cl as [| b cl]; [injection H as <- <-; split; [| split]; auto; simpl; congruence |].
    match type of H with (if ?b then _ else _) = _ => destruct b eqn:K end;
      [| discriminate]; injection H as <- <-.
    split; [simpl; congruence |]; split; [exact Hb |].
    destruct V as (_ & Hj & _); split; [exact Hv |]; split; [exact Hj |].
    refine (claims_sound base' inputs Hb tr' n ev (e, bs) h (b :: cl) 0 _ K).
    split; [exact Hv |]; split; [exact Hj | rewrite Er; exact Hk].
Qed.

Lemma property_sound base inputs tr : all_inside base inputs -> valid inputs tr ->
  forall p, property_ok base tr p = true -> holds p (run inputs tr).
Proof.
  intros Hb Hv; fix induct 1; intros [f | ps | ps]; simpl.
  - intros H; destruct (proves_sound _ _ Hb _ _ _ Hv H) as (d & Hd & Hle).
    unfold positive in Hd; apply negb_true_iff, number_gt in Hd.
    rewrite number_zero in Hd; lra.
  - induction ps as [| p ps IH]; simpl; [auto |]; rewrite andb_true_iff.
    intros (H1 & H2); split; [apply induct, H1 | apply IH, H2].
  - induction ps as [| p ps IH]; simpl; [discriminate |]; rewrite orb_true_iff.
    intros [H | H]; [left; apply induct, H | right; apply IH, H].
Qed.

Lemma tree_sound g p inputs t ks : all_inside ks (eval g inputs) ->
  tree_ok decide g p ks t = true -> holds p (eval g inputs).
Proof.
  revert ks; induction t as [evs | v k at_ t1 IH1 t2 IH2]; intros ks Hi H; simpl in H.
  - destruct (build decide g evs ks) as [[tr base] |] eqn:B; [| discriminate].
    destruct (build_sound _ _ _ _ _ _ Hi B) as (En & Hb & Hv).
    pose proof (property_sound _ _ _ Hb Hv p H) as P; unfold run in P; rewrite En in P.
    exact P.
  - match type of H with (if ?b then _ else _) = _ => destruct b eqn:E1 end;
      [| discriminate].
    destruct (Rle_dec (nth k (nth v (eval g inputs) []) 0) (number at_)) as [C | C].
    + apply (IH1 _ (cut_inside false v k at_ ks _ Hi C) E1).
    + apply (IH2 _ (cut_inside true v k at_ ks _ Hi ltac:(simpl; lra)) H).
Qed.

Theorem check_with_sound g b p t : check_with decide g b p t = true -> claim g b p.
Proof.
  intros H inputs Hin; refine (tree_sound g p inputs t _ _ H); clear H.
  induction g as [| n g IH]; [apply all_inside_boxes, Hin | exact (conj I IH)].
Qed.
End Decision.

Theorem check_sound g b p t : check g b p t = true -> claim g b p.
Proof. apply check_with_sound, never_right. Qed.

Print Assumptions check_sound.
