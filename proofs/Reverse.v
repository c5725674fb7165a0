(** Reverse mode: for a graph of linear maps, products and smooth elementwise functions,
    the backward pass is the adjoint of the derivative of what the graph computes.

    A vector is a function of the place; the sizes say how many places count. "Derivative"
    is along curves: whatever differentiable curve the inputs move on, the values of the
    graph move differentiably, and their velocity is the linear map of that of the inputs
    whose adjoint the backward pass applies. The functions and their slopes are those of
    Rules.v, the table that `tl.check_vjp` tests node by node. *)
From Coq Require Import Reals Lra Lia List.
From TorchLean Require Import Rules.
Import ListNotations.
Open Scope R_scope.

(** ** Vectors and sums *)
Definition vector := nat -> R.
Definition nowhere : vector := fun _ => 0.
Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S k => sum k f + f k end.
Definition dot (n : nat) (c x : vector) : R := sum n (fun k => c k * x k).
Definition add (x y : vector) : vector := fun k => x k + y k.
Definition get (xs : list vector) (i : nat) : vector := nth i xs nowhere.
Definition size (ns : list nat) (i : nat) : nat := nth i ns O.

(** ** Graphs. The last value is the head of the list, and an operand i stands for the
    value i places before the node's own (0: the one just before).

    Linear: bias + sum of matrices times operands (sums, dense layers, convolutions,
    layout, masks). Product: y_r = sum_jk T r j k * a_j * b_k (mul, dot_general, a
    convolution of two values). Apply: a function of Rules.v, entry by entry. *)
Inductive operation :=
| Linear (bias : vector) (terms : list (nat * (nat -> nat -> R)))
| Product (i j : nat) (T : nat -> nat -> nat -> R)
| Apply (f : function) (i : nat).
Definition graph := list (nat * operation). (* each with the size of its value *)
Definition sizes_of (g : graph) (inputs : list nat) : list nat := map fst g ++ inputs.

Section Pass.
Variable inputs : list nat. (* the sizes of the inputs *)

Definition value (ns : list nat) (op : operation) (env : list vector) : vector :=
  match op with
  | Linear bias terms => fun r =>
      fold_right (fun t y => dot (size ns (fst t)) (snd t r) (get env (fst t)) + y)
        (bias r) terms
  | Product i j T => fun r =>
      sum (size ns i) (fun a => get env i a * dot (size ns j) (T r a) (get env j))
  | Apply f i => fun r => meaning f (get env i r)
  end.
Fixpoint eval (g : graph) (xs : list vector) : list vector :=
  match g with
  | [] => xs
  | (_, op) :: g' => let env := eval g' xs in value (sizes_of g' inputs) op env :: env
  end.

(** ** The backward pass: cotangents of all values, the last first. The node's own is
    pulled back and added to those of its operands; what is left are the inputs'. *)
Fixpoint add_at (i : nat) (c : vector) (cs : list vector) : list vector :=
  match i with
  | O => add (hd nowhere cs) c :: tl cs
  | S i' => hd nowhere cs :: add_at i' c (tl cs)
  end.
Definition pull (ns : list nat) (n : nat) (op : operation) (c : vector)
    (env cs : list vector) : list vector :=
  match op with
  | Linear _ terms =>
      fold_right (fun t => add_at (fst t) (fun k => sum n (fun r => c r * snd t r k)))
        cs terms
  | Product i j T =>
      add_at i (fun a => sum n (fun r => c r * dot (size ns j) (T r a) (get env j)))
        (add_at j (fun b => sum n (fun r =>
             c r * sum (size ns i) (fun a => get env i a * T r a b))) cs)
  | Apply f i => add_at i (fun r => slope f (get env i r) * c r) cs
  end.
Fixpoint backward (g : graph) (env cs : list vector) : list vector :=
  match g with
  | [] => cs
  | (n, op) :: g' =>
      backward g' (tl env)
        (pull (sizes_of g' inputs) n op (hd nowhere cs) (tl env) (tl cs))
  end.

(** Sum over all values of <cotangent, velocity>. *)
Fixpoint pairing (ns : list nat) (cs ds : list vector) : R :=
  match ns with
  | [] => 0
  | n :: ns' => dot n (hd nowhere cs) (hd nowhere ds) + pairing ns' (tl cs) (tl ds)
  end.

(** Where the functions have the slopes that the table gives, entry by entry. *)
Fixpoint regular (g : graph) (xs : list vector) : Prop :=
  match g with
  | [] => True
  | (n, op) :: g' =>
      regular g' xs /\
      match op with
      | Apply f i => n = size (sizes_of g' inputs) i
                     /\ forall k, (k < n)%nat -> domain f (get (eval g' xs) i k)
      | _ => True
      end
  end.

(** ** The velocity of a node's value *)
Definition velocity (ns : list nat) (op : operation) (env ds : list vector) : vector :=
  match op with
  | Linear _ terms => fun r =>
      fold_right (fun t y => dot (size ns (fst t)) (snd t r) (get ds (fst t)) + y) 0 terms
  | Product i j T => fun r =>
      sum (size ns i) (fun a => get ds i a * dot (size ns j) (T r a) (get env j)
                                + get env i a * dot (size ns j) (T r a) (get ds j))
  | Apply f i => fun r => slope f (get env i r) * get ds i r
  end.
Fixpoint velocities (g : graph) (xs dxs : list vector) : list vector :=
  match g with
  | [] => dxs
  | (_, op) :: g' =>
      let ds := velocities g' xs dxs in
      velocity (sizes_of g' inputs) op (eval g' xs) ds :: ds
  end.

(** ** Sums *)
Lemma sum_ext n f g : (forall k, (k < n)%nat -> f k = g k) -> sum n f = sum n g.
Proof.
  induction n as [| n IH]; intros H; simpl; [reflexivity |].
  rewrite IH, H; auto.
Qed.
Lemma sum_zero n : sum n (fun _ => 0) = 0.
Proof. induction n as [| n IH]; simpl; [reflexivity | rewrite IH; ring]. Qed.
Lemma sum_add n f g : sum n (fun k => f k + g k) = sum n f + sum n g.
Proof. induction n as [| n IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma sum_scale n c f : sum n (fun k => c * f k) = c * sum n f.
Proof. induction n as [| n IH]; simpl; [ring | rewrite IH; ring]. Qed.
Lemma sum_swap n p f :
  sum n (fun r => sum p (fun k => f r k)) = sum p (fun k => sum n (fun r => f r k)).
Proof.
  induction n as [| n IH]; simpl; [rewrite sum_zero; reflexivity |].
  rewrite IH, <- sum_add; reflexivity.
Qed.
Lemma sum_scale_r n c f : sum n (fun k => f k * c) = sum n f * c.
Proof. rewrite Rmult_comm, <- sum_scale; apply sum_ext; intros; ring. Qed.

Lemma dot_add_r n c x y : dot n c (add x y) = dot n c x + dot n c y.
Proof.
  unfold dot, add; rewrite <- sum_add; apply sum_ext; intros; ring.
Qed.

(** <c, A x> = <A' c, x>. *)
Lemma transposed n p (A : nat -> nat -> R) c x :
  dot n c (fun r => dot p (A r) x) = dot p (fun k => sum n (fun r => c r * A r k)) x.
Proof.
  unfold dot; rewrite (sum_ext p _ (fun k => sum n (fun r => c r * A r k * x k)))
    by (intros; rewrite sum_scale_r; reflexivity).
  rewrite <- sum_swap; apply sum_ext; intros r _.
  rewrite <- sum_scale; apply sum_ext; intros; ring.
Qed.

(** ** The backward pass is the adjoint of the velocities *)
Lemma dot_nowhere_r n c : dot n c nowhere = 0.
Proof.
  transitivity (sum n (fun _ => 0)); [| apply sum_zero].
  apply sum_ext; unfold nowhere; intros; ring.
Qed.
Lemma get_cons_tl ds i : nth i (tl ds) nowhere = get ds (S i).
Proof. destruct ds as [| d ds], i; reflexivity. Qed.
Lemma get_hd ds : nth 0 ds nowhere = hd nowhere ds.
Proof. destruct ds; reflexivity. Qed.
Lemma pairing_add_at ns i c cs ds :
  pairing ns (add_at i c cs) ds = pairing ns cs ds + dot (size ns i) c (get ds i).
Proof.
  revert ns cs ds; induction i as [| i IH]; intros [| n ns] cs ds;
    cbn [pairing add_at hd tl]; unfold size, get; cbn [nth]; try (unfold dot; simpl; ring).
  - rewrite get_hd; unfold dot at 1; unfold add.
    rewrite (sum_ext n _ (fun k => hd nowhere cs k * hd nowhere ds k
      + c k * hd nowhere ds k)) by (intros; ring).
    rewrite sum_add; unfold dot; ring.
  - rewrite IH; unfold size, get; rewrite get_cons_tl; unfold get; ring.
Qed.

Lemma pull_adjoint ns n op c env cs ds :
  match op with Apply _ i => n = size ns i | _ => True end ->
  dot n c (velocity ns op env ds) + pairing ns cs ds
  = pairing ns (pull ns n op c env cs) ds.
Proof.
  intros Hn; destruct op as [bias terms | i j T | f i]; simpl.
  - induction terms as [| [i A] terms IH]; simpl.
    + unfold dot; rewrite (sum_ext n _ (fun _ => 0)) by (intros; ring).
      rewrite sum_zero; ring.
    + rewrite pairing_add_at, <- IH, <- transposed; unfold dot at 1.
      rewrite (sum_ext n _ (fun r => c r * dot (size ns i) (A r) (get ds i)
        + c r * fold_right (fun t y =>
            dot (size ns (fst t)) (snd t r) (get ds (fst t)) + y) 0 terms))
        by (intros; ring).
      rewrite sum_add; unfold dot; ring.
  - rewrite !pairing_add_at.
    rewrite <- (transposed n (size ns i)
      (fun r a => dot (size ns j) (T r a) (get env j)) c (get ds i)).
    rewrite <- (transposed n (size ns j)
      (fun r b => sum (size ns i) (fun a => get env i a * T r a b)) c (get ds j)).
    rewrite (Rplus_comm _ (pairing ns cs ds)), Rplus_assoc; f_equal.
    rewrite <- dot_add_r; apply sum_ext; intros r _; f_equal; unfold add.
    rewrite sum_add, Rplus_comm; f_equal.
    + unfold dot; rewrite (sum_ext (size ns j) _ (fun b =>
        sum (size ns i) (fun a => get env i a * T r a b * get ds j b)))
        by (intros; rewrite sum_scale_r; reflexivity).
      rewrite <- sum_swap; apply sum_ext; intros a _.
      rewrite <- sum_scale; apply sum_ext; intros; ring.
    + apply sum_ext; intros; ring.
  - rewrite pairing_add_at, <- Hn, Rplus_comm; f_equal.
    apply sum_ext; intros; ring.
Qed.

Lemma backward_adjoint g xs dxs cs : regular g xs ->
  pairing (sizes_of g inputs) cs (velocities g xs dxs)
  = pairing inputs (backward g (eval g xs) cs) dxs.
Proof.
  revert cs; induction g as [| [n op] g IH]; intros cs H; [reflexivity |].
  destruct H as [H Hop]; simpl.
  rewrite <- (IH _ H), <- pull_adjoint by (destruct op; tauto).
  reflexivity.
Qed.

(** ** The velocities are the derivative *)
Definition moves (ns : list nat) (X : R -> list vector) (t : R) (d : list vector) :=
  forall i k, (k < size ns i)%nat ->
    derivable_pt_lim (fun s => get (X s) i k) t (get d i k).

Lemma moves_sum n f t d :
  (forall k, (k < n)%nat -> derivable_pt_lim (fun s => f s k) t (d k)) ->
  derivable_pt_lim (fun s => sum n (f s)) t (sum n d).
Proof.
  induction n as [| n IH]; intros H; simpl; [apply derivable_pt_lim_const |].
  apply (derivable_pt_lim_plus (fun s => sum n (f s)) (fun s => f s n));
    [apply IH; intros; apply H |]; auto.
Qed.
Lemma moves_dot ns w X t d i : moves ns X t d ->
  derivable_pt_lim (fun s => dot (size ns i) w (get (X s) i)) t
    (dot (size ns i) w (get d i)).
Proof.
  intros H; apply (moves_sum _ (fun s k => w k * get (X s) i k)); intros k Hk.
  apply (derivable_pt_lim_scal (fun s => get (X s) i k)), H, Hk.
Qed.

Lemma value_moves ns op X t d r : moves ns X t d ->
  match op with Apply f i => (r < size ns i)%nat /\ domain f (get (X t) i r)
              | _ => True end ->
  derivable_pt_lim (fun s => value ns op (X s) r) t (velocity ns op (X t) d r).
Proof.
  intros H Hop; destruct op as [bias terms | i j T | f i]; simpl.
  - induction terms as [| [i A] terms IH]; simpl; [apply derivable_pt_lim_const |].
    apply (derivable_pt_lim_plus (fun s => dot (size ns i) (A r) (get (X s) i)));
      [apply moves_dot, H | exact IH].
  - apply (moves_sum _ (fun s a => get (X s) i a * dot (size ns j) (T r a) (get (X s) j))).
    intros a Ha; apply (derivable_pt_lim_mult (fun s => get (X s) i a)
      (fun s => dot (size ns j) (T r a) (get (X s) j))); [apply H, Ha | apply moves_dot, H].
  - destruct Hop as [Hr Hd].
    apply (derivable_pt_lim_comp (fun s => get (X s) i r) (meaning f));
      [apply H, Hr | apply slope_is_derivative, Hd].
Qed.

Lemma graph_moves g X t d : moves inputs X t d -> regular g (X t) ->
  moves (sizes_of g inputs) (fun s => eval g (X s)) t (velocities g (X t) d).
Proof.
  intros H; induction g as [| [n op] g IH]; intros Hr; [exact H |].
  destruct Hr as [Hr Hop]; specialize (IH Hr); intros [| i] k Hk; cbn in *.
  - apply (value_moves _ op (fun s => eval g (X s))); [exact IH |].
    destruct op as [| | f i]; try exact I.
    destruct Hop as [En Hop]; rewrite <- En; split; [exact Hk | apply Hop, Hk].
  - apply IH, Hk.
Qed.

(** ** The theorem: on whatever curve the inputs move, with velocity [d], the values move
    with a velocity [dY], and for every choice [cs] of cotangents of the values
    <cs, dY> = <backward cs, d>. *)
Theorem backward_is_adjoint g X t d : moves inputs X t d -> regular g (X t) ->
  exists dY, moves (sizes_of g inputs) (fun s => eval g (X s)) t dY
    /\ forall cs, pairing (sizes_of g inputs) cs dY
                  = pairing inputs (backward g (eval g (X t)) cs) d.
Proof.
  intros H Hr; exists (velocities g (X t) d).
  split; [apply graph_moves | intros; apply backward_adjoint]; assumption.
Qed.
End Pass.

(** ** Entries of the Jacobian: a cotangent that is 1 at one place of one value gives the
    partial derivatives of that place. *)
Definition unit_at (k : nat) : vector := fun j => if Nat.eqb j k then 1 else 0.
Definition only (i k : nat) : list vector := add_at i (unit_at k) [].

Lemma dot_unit n c k : (k < n)%nat -> dot n c (unit_at k) = c k.
Proof.
  unfold dot, unit_at; induction n as [| n IH]; intros Hk; [lia |]; simpl.
  destruct (Nat.eq_dec k n) as [-> | Hne].
  - rewrite Nat.eqb_refl, (sum_ext n _ (fun _ => 0)), sum_zero; [ring |].
    intros j Hj; destruct (Nat.eqb_spec j n); [lia | ring].
  - rewrite IH by lia; destruct (Nat.eqb_spec n k); [lia | ring].
Qed.
Lemma pairing_nil_r ns cs : pairing ns cs [] = 0.
Proof.
  revert cs; induction ns as [| n ns IH]; intros cs; simpl; [reflexivity |].
  rewrite IH, dot_nowhere_r; ring.
Qed.
Lemma dot_comm n c x : dot n c x = dot n x c.
Proof. apply sum_ext; intros; ring. Qed.
Lemma pairing_comm ns cs ds : pairing ns cs ds = pairing ns ds cs.
Proof.
  revert cs ds; induction ns as [| n ns IH]; intros; simpl; [reflexivity |].
  rewrite IH, dot_comm; reflexivity.
Qed.
Lemma pairing_only ns i k ds : (k < size ns i)%nat ->
  pairing ns (only i k) ds = get ds i k.
Proof.
  intros Hk; unfold only; rewrite pairing_add_at, pairing_comm, pairing_nil_r.
  rewrite dot_comm, dot_unit by exact Hk; ring.
Qed.

(** Place [k] of input [i] moves at speed 1, all else rests. *)
Theorem backward_is_gradient inputs g X t i k j r :
  moves inputs X t (only i k) -> regular inputs g (X t) ->
  (k < size inputs i)%nat -> (r < size (sizes_of g inputs) j)%nat ->
  derivable_pt_lim (fun s => get (eval inputs g (X s)) j r) t
    (get (backward inputs g (eval inputs g (X t)) (only j r)) i k).
Proof.
  intros H Hr Hk Hj; destruct (backward_is_adjoint _ _ _ _ _ H Hr) as (dY & HY & E).
  specialize (E (only j r)); rewrite pairing_only in E by exact Hj.
  rewrite pairing_comm, pairing_only in E by exact Hk.
  rewrite <- E; apply HY, Hj.
Qed.
