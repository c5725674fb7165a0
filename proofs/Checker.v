(** The checker: a function to bool. What it means when it says true stands in Sound.v. *)
From Coq Require Import ZArith List Bool.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Forms Lines Curves Boxes.
Import ListNotations.

(** Of one node: for a maximum, what is known of the difference of its operands; for a
    smooth function, lines around it; for any node, intervals of its entries. All of it is
    tested. *)
Record evidence :=
  { scale : units; neurons : list neuron; bends : list bend; claimed : intervals }.
(** The nodes so far, last first, with their evidence and what is known of their value. *)
Definition trace := list (node * evidence * intervals).

Definition intervals_of (tr : trace) (base : list intervals) : list intervals :=
  map snd tr ++ base.

(** A form over the vectors up to a node's, from below by one over those before it. *)
Definition back (n : node) (ev : evidence) (f : form) : option form :=
  match coefficients f with
  | [] => Some f
  | c :: cs =>
      let rest := {| coefficients := cs; constant := constant f |} in
      match n with
      | Affine a => Some (through_affine c a rest)
      | Max p q =>
          let u := scale ev in
          let fine := Z.min (fst c) (u_grid u) in
          match lines u (fst c) fine (neurons ev) (snd c) with
          | Some (bs, r, k) =>
              Some (through_affine (u_grid u, bs) p (through_affine (fine, r) q
                {| coefficients := cs;
                   constant := dadd (fine + u_bounds u, k)%Z (constant f) |}))
          | None => None
          end
      | Curve _ _ a =>
          let u := scale ev in
          let fine := Z.min (fst c + u_slopes u) (u_grid u) in
          match bend_lines u (fst c) fine (bends ev) (snd c) with
          | Some (ms, k) =>
              Some (through_affine (u_grid u, ms) a
                {| coefficients := cs;
                   constant := dadd (fine + u_bounds u, k)%Z (constant f) |})
          | None => None
          end
      end
  end.

(** Does the least value of the form pass the test? Intervals first, and if they do not
    suffice, one node is substituted and they are tried again. *)
Fixpoint proves (test : dyadic -> bool) (base : list intervals) (tr : trace) (f : form)
  : bool :=
  if match low (coefficients f) (intervals_of tr base) (constant f) with
     | Some d => test d
     | None => false
     end
  then true
  else match tr with
       | [] => false
       | (n, ev, _) :: tr' =>
           match back n ev f with
           | Some f' => proves test base tr' f'
           | None => false
           end
       end.

Definition unit_block (k : nat) (sign : BigZ.t) : block :=
  (0%Z, repeat BigZ.zero k ++ [sign]).
Definition minus_one : BigZ.t := BigZ.opp BigZ.one.
Definition nothing : form := {| coefficients := []; constant := dzero |}.
(** Entry k of p - q, and its negative. *)
Definition difference (p q : affine) (k : nat) : form :=
  through_affine (unit_block k BigZ.one) p (through_affine (unit_block k minus_one) q nothing).
Definition negated (p q : affine) (k : nat) : form := difference q p k.
Definition at_least (d e : dyadic) : bool := dle d e.

Definition neuron_ok base tr (h : Z) (p q : affine) (k : nat) (n : neuron) : bool :=
  match n with
  | On => proves (at_least dzero) base tr (difference p q k)
  | Off => proves (at_least dzero) base tr (negated p q k)
  | Between lo hi _ _ =>
      proves (at_least (h, lo)) base tr (difference p q k)
      && proves (at_least (dopp (h, hi))) base tr (negated p q k)
  end.
Fixpoint neurons_ok base tr h p q (k : nat) (ns : list neuron) : bool :=
  match ns with
  | [] => true
  | n :: ns' =>
      if neuron_ok base tr h p q k n then neurons_ok base tr h p q (S k) ns' else false
  end.

Section Decision.
Variable decide : decision. (* whether a line bounds a smooth function *)

Definition bend_ok base tr (u : units) (f : curve) (a : affine) (k : nat) (b : bend)
  : bool :=
  neuron_ok base tr (u_bounds u) a zero k (Between (b_lo b) (b_hi b) BigZ.zero BigZ.zero)
  && side_ok decide true f u b (under b) && side_ok decide false f u b (upper b).
Fixpoint bends_ok base tr u f a (k : nat) (bs : list bend) : bool :=
  match bs with
  | [] => true
  | b :: bs' =>
      if bend_ok base tr u f a k b then bends_ok base tr u f a (S k) bs' else false
  end.
Definition node_ok base tr (n : node) (ev : evidence) : bool :=
  match n with
  | Affine _ => true
  | Max p q => neurons_ok base tr (u_bounds (scale ev)) p q 0 (neurons ev)
  | Curve f size a =>
      (length (bends ev) <=? size)%nat && bends_ok base tr (scale ev) f a 0 (bends ev)
  end.

Definition entry (k : nat) (sign : BigZ.t) : form :=
  {| coefficients := [unit_block k sign]; constant := dzero |}.
Definition ends_ok base tr (h : Z) (k : nat) (b : ends) : bool :=
  match fst b with
  | Some m => proves (at_least (h, m)) base tr (entry k BigZ.one)
  | None => true
  end &&
  match snd b with
  | Some m => proves (at_least (dopp (h, m))) base tr (entry k minus_one)
  | None => true
  end.
Fixpoint claims_ok base tr h (k : nat) (bs : list ends) : bool :=
  match bs with
  | [] => true
  | b :: bs' => if ends_ok base tr h k b then claims_ok base tr h (S k) bs' else false
  end.

(** The trace of a graph, all of its evidence tested. [ks]: what is known beforehand of the
    value of each node and then of each input. *)
Fixpoint build (g : graph) (evs : list evidence) (ks : list intervals)
  : option (trace * list intervals) :=
  match g, evs, ks with
  | [], [], _ => Some ([], ks)
  | n :: g', ev :: evs', k :: ks' =>
      match build g' evs' ks' with
      | Some (tr, base) =>
          if node_ok base tr n ev then
            match snd (claimed ev) with
            | [] => Some ((n, ev, k) :: tr, base)
            | bs => if claims_ok base ((n, ev, k) :: tr) (fst (claimed ev)) 0 bs
                    then Some ((n, ev, claimed ev) :: tr, base) else None
            end
          else None
      | None => None
      end
  | _, _, _ => None
  end.

Definition positive (d : dyadic) : bool := negb (dle d dzero).
Fixpoint property_ok base tr (p : property) : bool :=
  match p with
  | Row f => proves positive base tr f
  | All ps => forallb (property_ok base tr) ps
  | Any ps => existsb (property_ok base tr) ps
  end.

(** A tree of cases. A cut: entry [k] of vector [v] (0: the last node's) is at most, or at
    least, a number. *)
Inductive tree :=
| Leaf (evs : list evidence)
| Cut (v k : nat) (at_ : dyadic) (lower upper : tree).
Fixpoint tree_ok (g : graph) (p : property) (ks : list intervals) (t : tree) : bool :=
  match t with
  | Leaf evs =>
      match build g evs ks with
      | Some (tr, base) => property_ok base tr p
      | None => false
      end
  | Cut v k at_ t1 t2 =>
      if tree_ok g p (cut_at false v k at_ ks) t1
      then tree_ok g p (cut_at true v k at_ ks) t2 else false
  end.

Definition check_with (g : graph) (b : box) (p : property) (t : tree) : bool :=
  tree_ok g p (repeat (0%Z, []) (length g) ++ map of_box b) t.
End Decision.

(** Without smooth functions no decision is needed. *)
Definition check : graph -> box -> property -> tree -> bool := check_with never.
