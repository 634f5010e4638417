-- Calls functions by jumps, with the stack in a register of its own.
import System.Directory (listDirectory)

{-# NOINLINE query #-}
query :: Int -> Int
query n = length (concatMap show [1 .. n])

main :: IO ()
main = do
  names <- listDirectory "/"
  print (sum (map query [1000 .. 1200]) + if null names then 1 else 0)
