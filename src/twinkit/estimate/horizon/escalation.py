from twinkit.optimise import Failed
def escalated(mhe, problem, window, guess, status):
    return guess, None, status
