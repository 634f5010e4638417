(* Allocates in a function of its own, so that the collector looks at the stack there. *)
let rec build n list = if n = 0 then list else build (n - 1) (string_of_int n :: list)

let total n = List.fold_left (fun sum text -> sum + String.length text) 0 (build n [])

let[@inline never] query n =
  let length = total n in
  length + (n land 1)

let () =
  let sum = ref (if Array.length (Sys.readdir "/") > 0 then 0 else 1) in
  for i = 1 to 200 do
    sum := !sum + query (1000 + i)
  done;
  Printf.printf "%d\n" !sum
