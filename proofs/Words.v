(** How the integers of a generated file become blocks and rows. This file and Graph.v are
    what a reader has to trust. *)
From Coq Require Import ZArith List Uint63.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph.
Import ListNotations.

(** A machine integer, in two's complement, as an integer. *)
Definition integer (i : int) : BigZ.t :=
  if (i <? 0x4000000000000000)%uint63 then BigZ.Pos (BigN.N0 i)
  else BigZ.Neg (BigN.N0 (0 - i)%uint63).
Definition integers : list int -> list BigZ.t := map integer.
Definition numbers (e : Z) (l : list int) : block := (e, integers l).
(** Rows written out, and rows of pairs: zeros before an entry, the entry. *)
Definition full (e : Z) (rows : list (list int)) : matrix :=
  Rows e (map (fun r => Full (integers r)) rows).
Fixpoint pairs (l : list int) : list (nat * BigZ.t) :=
  match l with
  | zeros :: m :: rest => (Z.to_nat (Uint63.to_Z zeros), integer m) :: pairs rest
  | _ => []
  end.
Definition gaps (e : Z) (rows : list (list int)) : matrix :=
  Rows e (map (fun r => Gaps (pairs r)) rows).
