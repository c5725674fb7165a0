(** How the integers of a generated file become evidence. Nothing about it need be trusted:
    all of it is tested. *)
From Coq Require Import Uint63.
From TorchLean Require Import Lines Curves Words.

Definition Lies (lo hi below above : int) : neuron :=
  Between (integer lo) (integer hi) (integer below) (integer above).
Definition Side (slope level touch1 touch2 : int) : side :=
  Build_side (integer slope) (integer level) (integer touch1) (integer touch2).
Definition Bends (lo hi : int) : side -> side -> bend :=
  Build_bend (integer lo) (integer hi).
