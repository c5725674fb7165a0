(** The checker of Checker.v as OCaml, with Zarith's integers for those of Coq.

    What is mapped has the specification that the proofs use: BigZ.t is the integers, with
    Pos and Neg for their sign. (Neg of zero is not told from Pos of zero; both are covered
    by [nonneg_real] and [neg_real].) Needs coqc alone; main.ml reads the files. *)
From Coq Require Import ZArith List Bool Extraction ExtrOcamlBasic ExtrOcamlZBigInt.
From Bignums Require Import BigZ.
From TorchLean Require Import Graph Numbers Checker.
Extraction Blacklist List.

Extract Inlined Constant BigZ.t => "Big_int_Z.big_int".
Extract Inductive BigZ.t_ => "Big_int_Z.big_int"
  [ "(fun n -> n)" "Big_int_Z.minus_big_int" ]
  "(fun pos neg z -> if Big_int_Z.sign_big_int z >= 0 then pos z
    else neg (Big_int_Z.minus_big_int z))".
Extract Inlined Constant BigZ.zero => "Big_int_Z.zero_big_int".
Extract Inlined Constant BigZ.one => "Big_int_Z.unit_big_int".
Extract Inlined Constant BigZ.of_Z => "(fun z -> z)".
Extract Inlined Constant BigZ.opp => "Big_int_Z.minus_big_int".
Extract Inlined Constant BigZ.add => "Big_int_Z.add_big_int".
Extract Inlined Constant BigZ.sub => "Big_int_Z.sub_big_int".
Extract Inlined Constant BigZ.mul => "Big_int_Z.mult_big_int".
Extract Inlined Constant BigZ.leb => "Big_int_Z.le_big_int".
Extract Inlined Constant BigZ.eqb => "Big_int_Z.eq_big_int".
(* By how much is a positive number: [grow] and [floor_to]. *)
Extract Inlined Constant BigZ.shiftl =>
  "(fun x by -> Big_int_Z.shift_left_big_int x (Big_int_Z.int_of_big_int by))".
Extract Inlined Constant BigZ.shiftr =>
  "(fun x by -> Big_int_Z.shift_right_big_int x (Big_int_Z.int_of_big_int by))".

Separate Extraction check.
