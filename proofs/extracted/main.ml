(* Reads a file of theorems (torchlean_jax/coq/_text.py) and asks the extracted checker
   about each proof in it: for [proof_NAME] a line "NAME true" or "NAME false".

   Only the lines "Definition NAME : TYPE := TERM." are read, each name once. Whatever is
   not understood is an error: exit code 2. *)

exception Error of string

let fail what = raise (Error what)

(* ** Terms *)
type term =
  | Number of Z.t
  | Name of string
  | Apply of term list
  | Several of term list (* [a; b] *)
  | Tuple of term list (* (a, b) *)
  | Record of (string * term) list

let is_letter c =
  match c with 'a' .. 'z' | 'A' .. 'Z' | '_' | '0' .. '9' -> true | _ -> false

(* The term in [text] from [start], and where it ends. *)
let read text start =
  let at = ref start and size = String.length text in
  let peek () = if !at < size then text.[!at] else '\000' in
  let rec skip () =
    if peek () = ' ' then (incr at; skip ())
    else if peek () = '%' then (incr at; ignore (word ()); skip ()) (* a scope *)
  and word () =
    let first = !at in
    if peek () = '-' then incr at;
    while is_letter (peek ()) do incr at done;
    if !at = first then fail (Printf.sprintf "column %d: %C" first (peek ()));
    String.sub text first (!at - first)
  in
  let expect s =
    skip ();
    String.iter
      (fun c -> if peek () = c then incr at
        else fail (Printf.sprintf "column %d: %S is missing" !at s)) s in
  let rec application () =
    let rec parts found =
      skip ();
      match peek () with
      | ';' | ']' | ')' | ',' | '|' | '.' | '\000' -> Stdlib.List.rev found
      | _ -> parts (atom () :: found) in
    match parts [] with
    | [] -> fail (Printf.sprintf "column %d: a term is missing" !at)
    | [ one ] -> one
    | several -> Apply several
  and listed between stop =
    let rec more found =
      skip ();
      if peek () = stop then (incr at; Stdlib.List.rev found)
      else begin
        if found <> [] then expect between;
        more (application () :: found)
      end in
    more []
  and fields found =
    skip ();
    if peek () = '|' then (expect "|}"; Stdlib.List.rev found)
    else begin
      if found <> [] then expect ";";
      skip ();
      let name = word () in
      expect ":=";
      let value = application () in
      fields ((name, value) :: found)
    end
  and atom () =
    skip ();
    match peek () with
    | '[' -> incr at; Several (listed ";" ']')
    | '(' ->
        incr at;
        (match listed "," ')' with [ one ] -> one | several -> Tuple several)
    | '{' -> expect "{|"; Record (fields [])
    | '-' | '0' .. '9' ->
        let digits = word () in
        (try Number (Z.of_string digits) with Invalid_argument _ -> fail digits)
    | _ -> Name (word ())
  in
  let found = application () in
  (found, !at)

(* ** The definitions of a file *)
let definitions : (string, string) Hashtbl.t = Hashtbl.create 64
let order = ref []

let define line =
  match String.index_opt line ':' with
  | None -> fail "a definition without a type"
  | Some colon ->
      let name = String.trim (String.sub line 11 (colon - 11)) in
      if Hashtbl.mem definitions name then fail (name ^ " is defined twice");
      Hashtbl.add definitions name line;
      order := name :: !order

let body name =
  match Hashtbl.find_opt definitions name with
  | None -> fail (name ^ " is not defined")
  | Some line ->
      let rec past k =
        if k + 2 > String.length line then fail (name ^ " has no value")
        else if String.sub line k 2 = ":=" then k + 2
        else past (k + 1) in
      let found, stop = read line (past 11) in
      if String.sub line stop (String.length line - stop) <> "." then
        fail (Printf.sprintf "%s: more than one term, column %d" name stop);
      found

(* What a name stands for, if it is one. *)
let resolved = function Name name -> body name | term -> term

(* ** From terms to the checker's types *)
let number = function Number m -> m | _ -> fail "a number is missing"

let small term =
  let m = number term in
  if Z.sign m < 0 || not (Z.fits_int m) then fail "a number that counts nothing";
  Z.to_int m

(* Naturals share their tails. *)
let naturals = ref [| Datatypes.O |]
let natural k =
  if k > 1 lsl 24 then fail "a number that counts too much";
  let known = Array.length !naturals in
  if k >= known then begin
    let more = Array.make (2 * (k + 1)) Datatypes.O in
    Array.blit !naturals 0 more 0 known;
    for j = known to Array.length more - 1 do more.(j) <- Datatypes.S more.(j - 1) done;
    naturals := more
  end;
  !naturals.(k)

let list convert = function
  | Several terms -> Stdlib.List.map convert terms
  | _ -> fail "a list is missing"

let block = function
  | Apply [ Name "numbers"; e; values ] -> (number e, list number values)
  | _ -> fail "numbers are missing"

let dyadic = function
  | Tuple [ e; Apply [ Name "integer"; m ] ] -> (number e, number m)
  | _ -> fail "a dyadic number is missing"

let rec pairs = function
  | zeros :: m :: rest -> (natural (small zeros), number m) :: pairs rest
  | [] -> []
  | _ -> fail "a row of pairs has an end too much"

let gaps = function Several terms -> pairs terms | _ -> fail "a row is missing"

let matrix : term -> Graph.matrix = function
  | Name "Same" -> Same
  | Apply [ Name "Times"; factors ] -> Times (block factors)
  | Apply [ Name "full"; e; rows ] ->
      Rows (number e, list (fun r -> Graph.Full (list number r)) rows)
  | Apply [ Name "gaps"; e; rows ] ->
      Rows (number e, list (fun r -> Graph.Gaps (gaps r)) rows)
  | _ -> fail "a matrix is missing"

let affine : term -> Graph.affine = function
  | Record [ ("bias", b); ("terms", t) ] ->
      let one = function
        | Tuple [ k; m ] -> (natural (small k), matrix m)
        | _ -> fail "a term of an affine map is missing" in
      { bias = block b; terms = list one t }
  | _ -> fail "an affine map is missing"

let node term : Graph.node =
  match resolved term with
  | Apply [ Name "Affine"; a ] -> Affine (affine a)
  | Apply [ Name "Max"; a; b ] -> Max (affine a, affine b)
  | Apply (Name "Curve" :: Name f :: _) ->
      fail ("smooth functions are not in the extracted checker: " ^ f)
  | _ -> fail "a node is missing"

let rec property : term -> Graph.property = function
  | Apply [ Name "Row"; Record [ ("coefficients", c); ("constant", d) ] ] ->
      Row { coefficients = list block c; constant = dyadic d }
  | Apply [ Name "All"; parts ] -> All (list property parts)
  | Apply [ Name "Any"; parts ] -> Any (list property parts)
  | _ -> fail "a property is missing"

let side = function
  | Tuple [ lo; hi ] -> (block lo, block hi)
  | _ -> fail "the sides of a box are missing"

let neuron : term -> Lines.neuron = function
  | Name "On" -> On
  | Name "Off" -> Off
  | Apply [ Name "Lies"; lo; hi; below; above ] ->
      Between (number lo, number hi, number below, number above)
  | _ -> fail "a neuron is missing"

let evidence : term -> Checker.evidence = function
  | Apply [ Name "Build_evidence"; Apply [ Name "Build_units"; bounds; slopes; grid ];
        neurons; Several []; Tuple [ e; Several [] ] ] ->
      { scale =
          { u_bounds = number bounds; u_slopes = number slopes; u_grid = number grid };
        neurons = list neuron neurons; bends = []; claimed = (number e, []) }
  | _ -> fail "evidence is missing, or speaks of smooth functions"

let rec tree : term -> Checker.tree = function
  | Apply [ Name "Leaf"; several ] -> Leaf (list evidence several)
  | Apply [ Name "Cut"; v; k; at; lower; upper ] ->
      Cut (natural (small v), natural (small k), dyadic at, tree lower, tree upper)
  | _ -> fail "a tree is missing"

(* ** The verdicts *)
let prefix = "proof_"

let ask graph name =
  if String.length name > 6 && String.sub name 0 6 = prefix then begin
    let about = String.sub name 6 (String.length name - 6) in
    let box = list side (resolved (body ("box_" ^ about))) in
    let claimed = property (resolved (body ("property_" ^ about))) in
    let proof = tree (resolved (body name)) in
    Printf.printf "%s %b\n%!" about (Checker.check graph box claimed proof)
  end

let () =
  (* Most integers die young: fewer of them are copied (a sixth of the time). *)
  Gc.set { (Gc.get ()) with minor_heap_size = 1 lsl 20 };
  try
    let file = match Sys.argv with [| _; f |] -> f | _ -> fail "usage: checker F.v" in
    let input = open_in_bin file in
    (try
       while true do
         let line = input_line input in
         if String.length line > 11 && String.sub line 0 11 = "Definition " then
           define line
       done
     with End_of_file -> close_in input);
    let graph = list node (body "network") in
    Stdlib.List.iter (ask graph) (Stdlib.List.rev !order)
  with
  | Error what -> prerr_endline what; exit 2
  | Sys_error what -> prerr_endline what; exit 2
  | Stack_overflow -> prerr_endline "the file is too deep for the stack"; exit 2
  | Z.Overflow -> prerr_endline "an exponent is too large"; exit 2
