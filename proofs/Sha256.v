(** SHA-256 (FIPS 180-4) of a list of bytes, on machine integers. A definition to compute
    with; nothing is proved of it and no theorem uses it. *)
From Coq Require Import ZArith List Uint63 String Ascii.
Import ListNotations.
Open Scope uint63_scope.

(** ** Words of 32 bits *)
Definition word (x : int) : int := x land 0xffffffff.
Definition turn (x n : int) : int := word ((x >> n) lor (x << (32 - n))).
Definition three (x y z : int) : int := x lxor y lxor z.
Record state := { s0 : int; s1 : int; s2 : int; s3 : int; s4 : int; s5 : int; s6 : int; s7 : int }.

Definition start : state :=
  {| s0 := 0x6a09e667; s1 := 0xbb67ae85; s2 := 0x3c6ef372; s3 := 0xa54ff53a;
     s4 := 0x510e527f; s5 := 0x9b05688c; s6 := 0x1f83d9ab; s7 := 0x5be0cd19 |}.
Definition constants : list int :=
 [0x428a2f98; 0x71374491; 0xb5c0fbcf; 0xe9b5dba5; 0x3956c25b; 0x59f111f1; 0x923f82a4;
  0xab1c5ed5; 0xd807aa98; 0x12835b01; 0x243185be; 0x550c7dc3; 0x72be5d74; 0x80deb1fe;
  0x9bdc06a7; 0xc19bf174; 0xe49b69c1; 0xefbe4786; 0x0fc19dc6; 0x240ca1cc; 0x2de92c6f;
  0x4a7484aa; 0x5cb0a9dc; 0x76f988da; 0x983e5152; 0xa831c66d; 0xb00327c8; 0xbf597fc7;
  0xc6e00bf3; 0xd5a79147; 0x06ca6351; 0x14292967; 0x27b70a85; 0x2e1b2138; 0x4d2c6dfc;
  0x53380d13; 0x650a7354; 0x766a0abb; 0x81c2c92e; 0x92722c85; 0xa2bfe8a1; 0xa81a664b;
  0xc24b8b70; 0xc76c51a3; 0xd192e819; 0xd6990624; 0xf40e3585; 0x106aa070; 0x19a4c116;
  0x1e376c08; 0x2748774c; 0x34b0bcb5; 0x391c0cb3; 0x4ed8aa4a; 0x5b9cca4f; 0x682e6ff3;
  0x748f82ee; 0x78a5636f; 0x84c87814; 0x8cc70208; 0x90befffa; 0xa4506ceb; 0xbef9a3f7;
  0xc67178f2].

(** ** One block of 16 words *)
Definition round (k w : int) (s : state) : state :=
  let e := s4 s in
  let a := s0 s in
  let big := three (turn e 6) (turn e 11) (turn e 25) in
  let choice := (e land s5 s) lxor ((e lxor 0xffffffff) land s6 s) in
  let t := s7 s + big + choice + k + w in
  let other := three (turn a 2) (turn a 13) (turn a 22) in
  let most := three (a land s1 s) (a land s2 s) (s1 s land s2 s) in
  {| s0 := word (t + other + most); s1 := a; s2 := s1 s; s3 := s2 s;
     s4 := word (s3 s + t); s5 := e; s6 := s5 s; s7 := s6 s |}.
(** [w]: the next 16 words of the schedule. *)
Fixpoint rounds (ks w : list int) (s : state) : state :=
  match ks, w with
  | k :: ks', w0 :: rest =>
      let early := nth 0 rest 0 in
      let late := nth 13 rest 0 in
      let more := w0 + three (turn early 7) (turn early 18) (early >> 3)
        + nth 8 rest 0 + three (turn late 17) (turn late 19) (late >> 10) in
      rounds ks' (rest ++ [word more]) (round k w0 s)
  | _, _ => s
  end.
Definition compress (s : state) (block : list int) : state :=
  let t := rounds constants block s in
  {| s0 := word (s0 s + s0 t); s1 := word (s1 s + s1 t); s2 := word (s2 s + s2 t);
     s3 := word (s3 s + s3 t); s4 := word (s4 s + s4 t); s5 := word (s5 s + s5 t);
     s6 := word (s6 s + s6 t); s7 := word (s7 s + s7 t) |}.

(** ** Bytes *)
Definition many (bytes : list int) : int := fold_left (fun n _ => n + 1) bytes 0.
Definition padding (n : int) : list int :=
  let zeros := (119 - n mod 64) mod 64 in
  0x80 :: repeat 0 (Z.to_nat (to_Z zeros))
  ++ map (fun shift => ((n << 3) >> shift) land 255) [56; 48; 40; 32; 24; 16; 8; 0].
(** [left]: how many words the block still lacks besides this one; [block]: reversed. *)
Fixpoint absorb (bytes : list int) (left : nat) (block : list int) (s : state) : state :=
  match bytes with
  | b0 :: b1 :: b2 :: b3 :: rest =>
      let w := (b0 << 24) lor (b1 << 16) lor (b2 << 8) lor b3 in
      match left with
      | O => absorb rest 15 [] (compress s (rev (w :: block)))
      | S left' => absorb rest left' (w :: block) s
      end
  | _ => s
  end.
Definition sha256 (bytes : list int) : state :=
  absorb (bytes ++ padding (many bytes)) 15 [] start.

(** ** Text *)
Definition digit (x : int) : ascii := ascii_of_nat (Z.to_nat (to_Z
  (if x <? 10 then x + 48 else x + 87))).
Definition hex (s : state) : string :=
  string_of_list_ascii (flat_map
    (fun w => map (fun shift => digit ((w >> shift) land 15)) [28; 24; 20; 16; 12; 8; 4; 0])
    [s0 s; s1 s; s2 s; s3 s; s4 s; s5 s; s6 s; s7 s]).
Definition bytes_of (text : string) : list int :=
  map (fun c => of_Z (Z.of_nat (nat_of_ascii c))) (list_ascii_of_string text).
