from higgs_lib.performance import probe


def test_kernels_are_counted_in_the_entry_alone():
    program = """HloModule step
%fused (p: f32[8]) -> f32[8] { ROOT %add = f32[8] add(f32[8] %p, f32[8] %p)
  %copy.9 = f32[8] copy(f32[8] %p) }
ENTRY %main (a: f32[8,8], b: f32[8,8]) -> f32[8,8] {
  %a = f32[8,8]{1,0} parameter(0)
  %dot.1 = f32[8,8]{1,0} dot(f32[8,8] %a, f32[8,8] %b), lhs_contracting_dims={1}
  %fusion = f32[8,8]{1,0} fusion(f32[8,8] %dot.1), kind=kLoop, calls=%fused
  ROOT %copy = f32[8,8]{0,1} copy(f32[8,8] %fusion)
}"""
    assert probe.count_kernels(program) == 3
